"""adapt: let a policy choose what a workload wears, see what was decided and why, and stop all of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from netpersona.cli import completion
from netpersona.cli.connection import connect, get_known, settings_of, unknown
from netpersona.cli.errors import CliError, note, unknown_name
from netpersona.cli.options import WorkloadName
from netpersona.cli.output import Format, Output, View, emit, say, view_of
from netpersona.client import NotFound
from netpersona.kinds.moments import age, dated

if TYPE_CHECKING:
    from netpersona.client import Client
    from netpersona.kinds.adaptation import AdaptationState, LoggedDecision

All = Annotated[bool, typer.Option("--all", help="Of all workloads; there is no other kill switch.")]


def enable(
    ctx: typer.Context,
    workload: WorkloadName,
    policy: Annotated[
        str,
        typer.Option(
            metavar="NAME|FILE",
            help="A stored policy, or a file with one, which is applied first.",
            autocompletion=completion.policies,
        ),
    ],
    advise: Annotated[
        bool, typer.Option("--advise", help="Only log what would be done, whatever the policy says.")
    ] = False,
    output: Output = Format.table,
) -> None:
    """Let a policy choose the persona of a workload, from what is measured.

    Who assigns, releases or rolls back by hand comes first: that pauses it, of a trial until it ends, else
    until it is enabled again.
    """
    with connect(settings_of(ctx)) as api:
        name = _stored(api, policy)
        try:
            answer = api.adapt(workload, name, advise=advise)
        except NotFound as error:
            raise _unknown_workload(api, workload) from error
        emit(view_of(answer.kind, [answer], single=True), output)
    note(f"`netpersona adapt explain {workload}` says what is decided and why")


def disable(ctx: typer.Context, workload: WorkloadName, output: Output = Format.table) -> None:
    """Stop adapting a workload; what it wears stays."""
    with connect(settings_of(ctx)) as api:
        try:
            answer = api.stop_adapting(workload)
        except NotFound as error:
            raise _unknown_workload(api, workload) from error
        emit(view_of(answer.kind, [answer], single=True), output)


def log(ctx: typer.Context, workload: WorkloadName, output: Output = Format.table) -> None:
    """Show what was decided that changed something, or would have: when, why, and what became of it."""
    with connect(settings_of(ctx)) as api:
        try:
            found = api.decisions(workload)
        except NotFound as error:
            raise _unknown_workload(api, workload) from error
    now = datetime.now(UTC)
    emit(
        View(
            columns=("WHEN", "DECISION", "FROM", "TO", "OUTCOME", "REASON"),
            rows=[_row(line, now) for line in found],
            data=[line.model_dump(mode="json") for line in found],
            names=[line.decision_id for line in found],
            empty=f"nothing was decided for {workload} yet; `netpersona adapt explain {workload}` says why",
        ),
        output,
    )


def explain(ctx: typer.Context, workload: WorkloadName, output: Output = Format.table) -> None:
    """Show what was decided last for a workload: inputs, scores of all candidates, and the reason."""
    with connect(settings_of(ctx)) as api:
        from netpersona.kinds.workload import WORKLOAD

        state = get_known(api, WORKLOAD, workload).state.adaptation
        is_off = not api.adaptation_of_all()["enabled"]
    if state is None:
        raise CliError(
            f"{workload} does not adapt", f"`netpersona adapt enable {workload} --policy NAME` lets it"
        )
    if output is not Format.table:
        emit(View((), (), state.model_dump(mode="json"), [workload]), output)
        return
    say("\n".join(_explained(state, is_off, datetime.now(UTC))))


def off(ctx: typer.Context, all_: All = False) -> None:
    """Stop adapting altogether, at once, until `adapt on --all`; what is worn stays."""
    _switch(ctx, all_, enabled=False)


def on(ctx: typer.Context, all_: All = False) -> None:
    """Adapt again after `adapt off --all`."""
    _switch(ctx, all_, enabled=True)


def _switch(ctx: typer.Context, all_: bool, *, enabled: bool) -> None:
    word = "on" if enabled else "off"
    if not all_:
        remedy = "enable WORKLOAD --policy NAME" if enabled else "disable WORKLOAD"
        raise typer.BadParameter(f"write `adapt {word} --all`, or `adapt {remedy}` for one", ctx=ctx)
    with connect(settings_of(ctx)) as api:
        found = api.adapt_all(enabled=enabled)["workloads"]
    count = f"{len(found)} workload{'s' * (len(found) != 1)}"
    print(f"{count} may adapt again" if enabled else f"nothing adapts any longer ({count} did)")


def _stored(api: Client, policy: str) -> str:
    """Apply it, where it is a file; its name."""
    from netpersona.cli.apply import apply_documents
    from netpersona.cli.connection import names
    from netpersona.cli.documents import load_documents, looks_like_file
    from netpersona.kinds.policy.kind import POLICY

    if not looks_like_file(policy):
        if api.find(POLICY, policy) is None:
            raise unknown_name("policy", policy, names(api, POLICY), "netpersona get policies")
        return policy
    documents = load_documents([policy])
    found = [document.name for document in documents if document.kind.noun == "policy"]
    if len(found) != 1:
        raise CliError(f"{policy} holds {len(found)} policies", "name a file with one, or a stored policy")
    apply_documents(api, documents, dry_run=False)
    return found[0]


def _unknown_workload(api: Client, workload: str) -> CliError:
    from netpersona.kinds.workload import WORKLOAD

    return unknown(api, WORKLOAD, workload)


def _row(line: LoggedDecision, now: datetime) -> tuple[str, ...]:
    done = line.action if line.result == "done" else f"{line.action} ({line.result})"
    outcome = line.outcome.verdict if line.outcome else "-"
    return (
        age(line.at, now),
        done,
        line.worn or "-",
        line.persona or "-",
        outcome,
        line.message or line.reason,
    )


def _explained(state: AdaptationState, is_off: bool, now: datetime) -> Sequence[str]:
    lines = [f"policy    {state.said}", f"enabled   {dated(state.enabled_at, now)} by {state.enabled_by}"]
    if is_off:
        lines.append("off       adaptation is switched off for all; `netpersona adapt on --all`")
    latest = state.latest
    if latest is None or state.decided_at is None:
        return [*lines, "decided   nothing yet"]
    lines += [
        f"decided   {dated(state.decided_at, now)}: {latest.action}",
        f"worn      {latest.worn or '-'}",
        f"wanted    {latest.wanted or '-'}",
        f"reason    {latest.reason}",
    ]
    measured = [f"{name} {'not measured' if v is None else f'{v:.6g}'}" for name, v in latest.inputs.items()]
    lines += [f"inputs    {', '.join(measured)}"] if measured else []
    return [*lines, *(f"score     {one.score:.2f} {one.persona}: {one.why}" for one in latest.scores)]
