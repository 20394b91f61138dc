"""up and down: netpersona on this host."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from netpersona.cli.connection import DEFAULT_LISTEN, settings_of
from netpersona.cli.errors import note
from netpersona.cli.output import Format, Output, View, emit
from netpersona.cli.tokens import made_token

if TYPE_CHECKING:
    from netpersona.cli.lifecycle import Running


def up(
    ctx: typer.Context,
    listen: Annotated[
        str,
        typer.Option(envvar="NETPERSONA_LISTEN", metavar="HOST:PORT", help="Where the API listens on TCP."),
    ] = DEFAULT_LISTEN,
    user: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Who the manager runs as.", show_default="a user of its own"),
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            envvar="NETPERSONA_ALLOW_HOST",
            metavar="NAME",
            help="A name under which the API may be asked besides localhost and its address.",
        ),
    ] = None,
    no_supervise: Annotated[
        bool, typer.Option("--no-supervise", help="Leave dead what dies; else it is started again.")
    ] = False,
    container_socket: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="PATH",
            help="An API socket of podman or Docker; may be repeated.",
            show_default="where they put them",
        ),
    ] = None,
    libvirt: Annotated[
        str | None,
        typer.Option(metavar="URI", help="The libvirt of virtual machines.", show_default="qemu:///system"),
    ] = None,
    container_labels: Annotated[
        bool,
        typer.Option(
            "--container-labels",
            help="Let containers choose their persona by the labels netpersona.persona and netpersona.ttl.",
        ),
    ] = False,
    output: Output = Format.table,
) -> None:
    """Start the manager, the packet engine and the agent where they do not run; needs root."""
    from netpersona.cli.lifecycle import up as start
    from netpersona.cli.places import Places

    settings = settings_of(ctx)
    places = Places(settings.run_dir, settings.state_dir)
    os.environ["NETPERSONA_ALLOW_HOST"] = " ".join(allow_host or [])  # read by the manager
    before = made_token(places.token)
    options = [
        *(word for socket in container_socket or () for word in ("--container-socket", str(socket))),
        *(("--libvirt", libvirt) if libvirt else ()),
        *(("--container-labels",) if container_labels else ()),
    ]
    running = start(
        places,
        listen=listen,
        user=user,
        agent_options=options,
        supervise=not no_supervise,
        say=note,
    )
    if not running.started:
        note("everything was running already")
    token = made_token(places.token)
    emit(_running(running, token=token if token != before else None), output)


def _running(running: Running, *, token: str | None) -> View:
    """The token itself is shown once, when it is made; later its file says it."""
    data = {
        "listen": f"http://{running.listen}",
        "socket": f"unix:{running.socket}",
        "token_file": str(running.token_file),
        **({"token": token} if token else {}),
        "logs": str(running.logs),
    }
    return View(
        columns=("WHAT", "WHERE"),
        rows=[(key.replace("_", " "), value) for key, value in data.items()],
        data={**data, "started": list(running.started)},
        names=list(running.started),
    )


def down(
    ctx: typer.Context,
    purge: Annotated[
        bool, typer.Option("--purge", help="Also delete personas, workloads, token and logs.")
    ] = False,
) -> None:
    """Stop everything and remove it from the kernel: no filter, map, TAP or process is left; needs root."""
    from netpersona.cli.lifecycle import down as stop
    from netpersona.cli.places import Places

    settings = settings_of(ctx)
    stop(Places(settings.run_dir, settings.state_dir), purge=purge, say=note)
