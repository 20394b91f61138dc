"""workload add and workload remove: what can wear a persona, and where it meets the host."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from netpersona.cli import completion
from netpersona.cli.connection import connect, settings_of
from netpersona.cli.errors import CliError, note, warn
from netpersona.cli.force import is_seen, poll
from netpersona.cli.options import duration, seconds
from netpersona.cli.output import Format, Output, emit, view_of
from netpersona.client import Conflict

if TYPE_CHECKING:
    from netpersona.client import Client
    from netpersona.kinds.workload import Workload, WorkloadSpec


class Kind(StrEnum):
    vm = "vm"
    container = "container"
    netns = "netns"
    interface = "interface"


class Facing(StrEnum):
    auto = "auto"
    workload = "workload"
    network = "network"


def add(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="What to call the workload.")],
    interface: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Its interface: in --netns or --container, else on the host. "
            "Of a --domain: a number from 0 on or a MAC address.",
            show_default="the only one of a container (or eth0) or domain",
        ),
    ] = None,
    container: Annotated[
        str | None,
        typer.Option(metavar="NAME|ID", help="A container of podman or Docker, whenever it runs."),
    ] = None,
    domain: Annotated[
        str | None, typer.Option(metavar="NAME", help="A virtual machine of libvirt, whenever it runs.")
    ] = None,
    netns: Annotated[
        str | None,
        typer.Option(metavar="NAME|PATH", help="Network namespace: a name under /run/netns, or a path."),
    ] = None,
    kind: Annotated[
        Kind | None, typer.Option(help="What it is.", show_default="by the options, else interface")
    ] = None,
    facing: Annotated[
        Facing, typer.Option(help="Which end the interface is: the workload's own, or the network's.")
    ] = Facing.auto,
    host: Annotated[str, typer.Option(metavar="NAME", help="The host whose agent looks after it.")] = "local",
    allow_management: Annotated[
        bool, typer.Option("--allow-management", help="Accept the default route's or your login's interface.")
    ] = False,
    wait: Annotated[
        str,
        typer.Option(metavar="DURATION", callback=duration, help="How long the agent may take to find it."),
    ] = "2s",
    output: Output = Format.table,
) -> None:
    """Make a workload known; nothing happens to its traffic until a persona is assigned."""
    from netpersona.kinds.workload import WORKLOAD

    if interface is None and not (container or domain):
        raise typer.BadParameter("say where it is: --container, --domain, or --interface", ctx=ctx)
    named = {"netns": netns, "container": container, "domain": domain}
    document = {
        "workload_id": name,
        "kind": str(kind or _kind(named)),
        "host": host,
        **{key: value for key, value in named.items() if value is not None},
        "interface": interface,
        "facing": str(facing),
        "allow_management": allow_management,
    }
    wanted = _read(document)
    with connect(settings_of(ctx)) as api:
        workload = poll(api, _created(api, name, wanted), is_seen, seconds(wait))
    emit(view_of(WORKLOAD, [workload], single=True), output)
    _check(workload)


def _kind(named: Mapping[str, str | None]) -> Kind:
    """By what the workload is found by; several are refused."""
    kinds = {"netns": Kind.netns, "container": Kind.container, "domain": Kind.vm}
    return next((kinds[key] for key, value in named.items() if value is not None), Kind.interface)


def _read(document: Mapping[str, Any]) -> WorkloadSpec:
    from netpersona.kinds.errors import InvalidDocument
    from netpersona.kinds.workload import WORKLOAD

    try:
        return WORKLOAD.read(document)[1]
    except InvalidDocument as error:
        details = [str(problem) for problem in error.problems]
        raise CliError("this is no valid workload", details=details) from None


def _created(api: Client, name: str, wanted: WorkloadSpec) -> Workload:
    """Asking twice for the same is no error."""
    from netpersona.kinds.workload import WORKLOAD

    try:
        return api.create(WORKLOAD, name, wanted)
    except Conflict as error:
        existing = api.find(WORKLOAD, name)
        if existing is None:
            raise
        if existing.spec.model_copy(update={"labelled": False}) != wanted:
            raise CliError(
                f"the workload {name} exists with another interface or option",
                f"see `netpersona describe workload {name}`, or remove it first",
            ) from error
        note(f"{name} was already there")
        return existing


def _check(workload: Workload) -> None:
    status = workload.state.status
    if status is None:
        warn("no agent has looked at it yet; see `netpersona status`")
    elif status.phase == "missing":
        warn(f"{workload.state.message}; the workload is taken up as soon as it appears")
    elif status.phase != "attached":
        raise CliError(
            f"stored, but {workload.state.said}",
            f"`netpersona workload remove {workload.name}` forgets this one",
        )


def remove(
    ctx: typer.Context,
    names: Annotated[list[str], typer.Argument(metavar="NAME...", autocompletion=completion.workloads)],
) -> None:
    """Forget workloads; one that wears a persona is released first."""
    from netpersona.cli.resources import delete_each
    from netpersona.kinds.workload import WORKLOAD

    delete_each(ctx, WORKLOAD, names)
