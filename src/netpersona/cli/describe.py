"""describe: all that is known of one persona or one workload, for a person to read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from netpersona.cli import completion
from netpersona.cli.connection import connect, get_known, name_of, names
from netpersona.cli.errors import CliError, unknown_name
from netpersona.cli.force import require_known
from netpersona.cli.output import Format, Output, View, emit, plain_table, say
from netpersona.cli.revisions import find_persona, find_preset, get_persona, get_preset
from netpersona.cli.settings import settings_of
from netpersona.cli.tables import expiry_of, moment_of, persona_of, place_of, state_of
from netpersona.kinds import traffic

if TYPE_CHECKING:
    from netpersona.client import Client
    from netpersona.client.calls import JsonObject

Field = tuple[str, str]
KINDS = {
    **dict.fromkeys(("persona", "personas"), "personas"),
    **dict.fromkeys(("workload", "workloads"), "workloads"),
}


def describe(
    ctx: typer.Context,
    kind: Annotated[
        str, typer.Argument(metavar="[persona|preset|workload]", autocompletion=completion.kinds_and_names)
    ],
    name: Annotated[str | None, typer.Argument(metavar="NAME", autocompletion=completion.of_kind)] = None,
    output: Output = Format.table,
) -> None:
    """Show all that is known of a persona, preset or workload; a name alone will do where it says which.

    Exit 1 when what the workload wears is not in force.
    """
    if name is not None and kind in ("preset", "presets"):
        collection, found = "personas", get_preset(name)
    else:
        collection, found = _stored(ctx, kind, name)
    if output is Format.table:
        say(persona_text(found) if collection == "personas" else workload_text(found))
    else:
        emit(View((), (), found, [name_of(collection, found)]), output)
    if collection == "workloads":
        require_known(settings_of(ctx), [found])


def _stored(ctx: typer.Context, kind: str, name: str | None) -> tuple[str, JsonObject]:
    with connect(settings_of(ctx)) as api:
        if name is None:
            return _only(api, kind)
        if kind not in KINDS:
            raise typer.BadParameter(f"{kind!r} is neither persona, preset nor workload", ctx=ctx)
        collection = KINDS[kind]
        if collection == "personas":
            return collection, get_persona(api, name)
        return collection, get_known(api, collection, name)


def _only(api: Client, name: str) -> tuple[str, JsonObject]:
    """The one resource of that name, whichever kind it is."""
    either = (("personas", find_persona(api, name)), ("workloads", api.find("workloads", name)))
    found = [(collection, resource) for collection, resource in either if resource]
    if not found and (preset := find_preset(name)):
        return "personas", preset
    if len(found) > 1:
        raise CliError(
            f"{name} is a persona and a workload",
            f"write `netpersona describe persona {name}` or `netpersona describe workload {name}`",
        )
    if not found:
        known = [*names(api, "personas"), *names(api, "workloads")]
        raise unknown_name(
            "persona or workload", name, known, "netpersona get personas", "netpersona get workloads"
        )
    return found[0]


def persona_text(persona: JsonObject) -> str:
    from netpersona.kinds.persona import explain, from_mapping

    if "revision" not in persona:
        fields = [("revision", "none: a preset, which comes with netpersona")]
    elif "updated_at" not in persona:
        fields = [("revision", f"{persona['revision']}, not the newest")]
    else:
        fields = [
            ("revision", f"{persona['revision']}, written {moment_of(persona['updated_at'])}"),
            ("in use by", ", ".join(persona.get("in_use_by") or ()) or "nothing"),
        ]
    heading = f"persona {persona['persona_id']}"
    return f"{_block(heading, fields)}\n\n{explain(from_mapping(persona['spec']))}".rstrip("\n")


def workload_text(workload: JsonObject) -> str:
    spec = workload["spec"]
    place = [
        ("kind", str(spec["kind"])),
        ("host", str(spec["host"])),
        ("attachment", f"{place_of(spec)} (facing {spec['facing']})"),
    ]
    heading = f"workload {workload['workload_id']}"
    blocks = [_block(heading, [*place, *_assignment(workload)]), *_status(workload)]
    return "\n\n".join(blocks)


def _assignment(workload: JsonObject) -> Iterator[Field]:
    assignment = workload.get("assignment")
    yield "persona", persona_of(assignment) if assignment else "none: its traffic passes untouched"
    if assignment:
        yield "assigned", moment_of(assignment["assigned_at"])
        if assignment.get("expires_at"):
            after = assignment.get("fallback")
            yield "expires", f"{expiry_of(assignment)}, then {persona_of(after) if after else 'no persona'}"
    if workload.get("previous"):
        yield "before", f"{persona_of(workload['previous'])} (`netpersona rollback` puts it back)"
    yield "phase", state_of(workload)


def _status(workload: JsonObject) -> Iterator[str]:
    status = workload.get("status")
    if not status:
        return
    seen = [
        ("observed", moment_of(status["observed_at"]) if status.get("observed_at") else "-"),
        ("interface", str(status.get("interface") or "-")),
        ("generation", f"{status.get('generation')} ({_PROOF.get(str(status.get('proof')), 'unproven')})"),
        *((("seed", seeds),) if (seeds := traffic.seeds(status)) else ()),
        *(("warning", str(warning)) for warning in status.get("warnings") or ()),
    ]
    yield _block("seen by its agent", seen)
    rows = [(what, f"{egress:,}", f"{ingress:,}") for what, egress, ingress in traffic.table(status)]
    yield plain_table(("packets", *traffic.DIRECTIONS), [(f"  {what}", *counts) for what, *counts in rows])


_PROOF = {
    "seen": "packets were seen under it",
    "idle": "no packet since it was switched on",
}


def _block(heading: str, fields: Iterable[Field]) -> str:
    rows = list(fields)
    width = max(len(key) for key, _ in rows)
    return "\n".join([heading, *(f"  {key:<{width}}  {value}" for key, value in rows)])
