"""assign, confirm, release and rollback: which persona a workload wears."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from netpersona.cli import completion
from netpersona.cli.confirming import await_probe, require_way_back, say_deadline
from netpersona.cli.connection import connect, names, settings_of, unknown
from netpersona.cli.errors import CliError, note, unknown_name
from netpersona.cli.force import is_applied, poll, require_applied, require_in_force
from netpersona.cli.options import Wait, WorkloadName, lifetime, probe_text, seconds
from netpersona.cli.output import Format, Output, View, emit, view_of
from netpersona.cli.personas import LISTINGS, split
from netpersona.client import ApiError, Conflict, NotFound

if TYPE_CHECKING:
    from netpersona.client import Assignment, Client
    from netpersona.kinds.plans import WorkloadPlan
    from netpersona.kinds.workload import Workload

R = TypeVar("R")


def assign(
    ctx: typer.Context,
    workload: WorkloadName,
    persona: Annotated[
        str | None,
        typer.Argument(
            metavar="PERSONA",
            help="A stored persona, maybe a revision as in voip@2, or a preset.",
            autocompletion=completion.personas,
        ),
    ] = None,
    file: Annotated[
        str | None,
        typer.Option("-f", "--file", metavar="FILE", help="Apply this file first, then assign its persona."),
    ] = None,
    ttl: Annotated[
        str | None,
        typer.Option(metavar="DURATION", callback=lifetime, help="Fall back by itself after this long."),
    ] = None,
    fallback: Annotated[
        str | None,
        typer.Option(
            metavar="PERSONA",
            help="What follows --ttl; without it, what the workload wears now.",
            autocompletion=completion.personas,
        ),
    ] = None,
    confirm_within: Annotated[
        str | None,
        typer.Option(
            metavar="DURATION",
            callback=lifetime,
            help="Go back by itself after this long unless `netpersona confirm` is run.",
        ),
    ] = None,
    probe: Annotated[
        str | None,
        typer.Option(
            metavar="PROBE",
            callback=probe_text,
            help="With --confirm-within: ping:ADDRESS, tcp:ADDRESS:PORT or http://ADDRESS/PATH, asked from"
            " the workload's side; three answers confirm, three failures go back at once.",
        ),
    ] = None,
    allow_disruptive: Annotated[
        bool,
        typer.Option(
            "--allow-disruptive", help="Also where it takes the link down; `netpersona plan` says so."
        ),
    ] = False,
    wait: Wait = "2s",
    output: Output = Format.table,
) -> None:
    """Put a persona on a workload, live; exit 0 once the agent says that it is in force."""
    if persona is None and file is None:
        raise typer.BadParameter("give a PERSONA or -f FILE", ctx=ctx)
    if fallback is not None and ttl is None:
        raise typer.BadParameter("--fallback needs --ttl: nothing else makes a persona fall back", ctx=ctx)
    if confirm_within is not None and ttl is not None:
        raise typer.BadParameter("--confirm-within and --ttl exclude each other", ctx=ctx)
    if probe is not None and confirm_within is None:
        raise typer.BadParameter("--probe needs --confirm-within: it is what confirms", ctx=ctx)
    with connect(settings_of(ctx)) as api:
        name = (
            _applied_file(api, file, persona, workload if confirm_within else None) if file else str(persona)
        )
        wanted = _assignment(name, ttl, fallback)
        if confirm_within:
            wanted = replace(wanted, confirm_within=confirm_within, probe=probe)
        if allow_disruptive:
            wanted = replace(wanted, allow_disruptive=True)
        answer = _put(api, workload, wanted, seconds(wait))
        if answer.state.assignment and not answer.state.assignment.anew:
            note(f"{workload} wore this very document already; to start it anew, release it first")
        _told(api, answer, wait, output)
        if confirm_within and seconds(wait):
            await_probe(api, answer) if probe else say_deadline(answer)


def confirm(
    ctx: typer.Context, workload: WorkloadName, wait: Wait = "2s", output: Output = Format.table
) -> None:
    """Keep what was assigned with --confirm-within; exit 1 where it has gone back by itself."""
    _change(ctx, workload, lambda api: api.confirm(workload), wait, output)


def release(
    ctx: typer.Context, workload: WorkloadName, wait: Wait = "2s", output: Output = Format.table
) -> None:
    """Take the persona off a workload; its traffic passes untouched again."""
    _change(ctx, workload, lambda api: api.release(workload), wait, output)


def rollback(
    ctx: typer.Context, workload: WorkloadName, wait: Wait = "2s", output: Output = Format.table
) -> None:
    """Put back the persona that a workload wore before this one."""
    _change(ctx, workload, lambda api: _rolled_back(api, workload), wait, output)


def _rolled_back(api: Client, workload: str) -> Workload:
    try:
        return api.rollback(workload)
    except Conflict as error:
        error.remedy = f"`netpersona release {workload}` takes off what it wears now"
        raise


def _change(
    ctx: typer.Context, workload: str, change: Callable[[Client], Workload], wait: str, output: Format
) -> None:
    with connect(settings_of(ctx)) as api:
        answer = _known(api, workload, lambda: change(api))
        answer = poll(api, answer, is_applied, seconds(wait))
        _told(api, answer, wait, output)


def _told(api: Client, workload: Workload, wait: str, output: Format) -> None:
    """Print it; exit 1 unless it is in force, or nobody wanted to wait for that."""
    emit(view_of(workload.kind, [workload], single=True), output)
    require_applied(workload, seconds(wait))
    if seconds(wait):
        require_in_force(api, workload)


def _applied_file(api: Client, file: str, persona: str | None, keeps: str | None) -> str:
    """Store the file's personas; the one to assign is the one named, or the only one.

    `keeps`: a workload that must not be switched by that.
    """
    from netpersona.cli.apply import apply_documents
    from netpersona.cli.documents import load_documents

    documents = load_documents([file])
    names = [document.name for document in documents if document.kind.noun == "persona"]
    if persona is None and len(names) != 1:
        raise CliError(f"{file} holds {len(names)} personas", "name the one to assign after the workload")
    if persona is not None and persona not in names:
        raise unknown_name("persona", persona, names, f"netpersona validate {file}")
    if keeps is not None:
        require_way_back(api, keeps, names)
    apply_documents(api, documents, dry_run=False)
    return persona or names[0]


def _assignment(persona: str, ttl: str | None, fallback: str | None) -> Assignment:
    """What the manager is asked; revisions only where they are named."""
    from netpersona.client import Assignment

    (name, revision), (after, after_revision) = split(persona), split(fallback or "")
    return Assignment(name, revision, ttl, after or None, after_revision)


def plan(
    ctx: typer.Context,
    workload: WorkloadName,
    persona: Annotated[
        str,
        typer.Argument(
            metavar="PERSONA",
            help="A stored persona, maybe a revision as in voip@2, or a preset.",
            autocompletion=completion.personas,
        ),
    ],
    detailed_exitcode: Annotated[
        bool, typer.Option("--detailed-exitcode", help="Exit 0 without changes, 2 with some, 1 on errors.")
    ] = False,
    output: Output = Format.table,
) -> None:
    """Show what assigning a persona would change, and what that does to traffic; nothing is done.

    Exit 1 where the interface cannot do what the persona asks.
    """
    from netpersona.kinds.plans import outage, rows

    with connect(settings_of(ctx)) as api:
        found = _asked(api, workload, _assignment(persona, None, None), api.plan)
    view = View(
        columns=("CHANGE", "BEFORE", "AFTER", "CLASS", "OUTAGE"),
        rows=list(rows(found)),
        data=found.model_dump(mode="json"),
        names=[change.key for change in found.changes],
        empty="nothing would be done" if found.refusals else "no changes",
    )
    emit(view, output)
    if output is Format.table:
        _remark(found, outage(found.outage_s, found.label))
    if found.refusals:
        details = [f"{one.pointer}: {one.detail}; {one.remedy}" for one in found.refusals]
        raise CliError(f"the interface of {workload} cannot do what {persona} asks", details=details)
    if detailed_exitcode and found.changes:
        raise typer.Exit(2)


def _remark(found: WorkloadPlan, outage: str) -> None:
    """What the table does not say."""
    for line in found.notes:
        note(line)
    if found.changes:
        note(f"in all: {found.label or 'not known'}, outage {outage}")
    if any(change.part == "hardware" for change in found.changes):
        seen = found.hardware
        when = f"as reported at {seen.observed_at} (driver {seen.driver or 'unknown'})"
        note(f"settings of the interface: {when if seen.known else 'not known, no agent has reported them'}")
    if found.disruptive:
        note("refused at `netpersona assign` unless --allow-disruptive is given")


def _put(api: Client, workload: str, assignment: Assignment, patience_s: float) -> Workload:
    """Assign; the manager answers once the agent has applied it, or after `patience_s`."""
    return _asked(api, workload, assignment, partial(api.assign, wait_s=patience_s))


def _asked(api: Client, workload: str, assignment: Assignment, call: Callable[[str, Assignment], R]) -> R:
    """Ask about an assignment; where a name is misspelt, offer the nearest."""
    try:
        return _known(api, workload, lambda: call(workload, assignment))
    except ApiError as error:
        if error.status in (404, 422):
            _check_names(api, [assignment.persona_id, assignment.fallback])
        raise


def _known(api: Client, workload: str, call: Callable[[], R]) -> R:
    """Make the call; where there is no such workload, name the nearest one."""
    try:
        return call()
    except NotFound as error:
        from netpersona.kinds.workload import WORKLOAD

        if api.find(WORKLOAD, workload) is None:
            raise unknown(api, WORKLOAD, workload) from error
        raise


def _check_names(api: Client, wanted: list[str | None]) -> None:
    from netpersona.kinds.persona import presets
    from netpersona.kinds.persona.kind import PERSONA

    known = [*names(api, PERSONA), *presets()]
    for name in wanted:
        if name is not None and name not in known:
            raise unknown_name("persona or preset", name, known, *LISTINGS)
