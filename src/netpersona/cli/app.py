"""The command tree and the one place where failures become exit codes: 0 ok, 1 error, 2 usage."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from netpersona.cli import (
    INTERRUPTED,
    adapt,
    apply,
    assignments,
    completion,
    create,
    default,
    host,
    personas,
    resources,
    status,
    top,
    verify,
    workloads,
)
from netpersona.cli.connection import DEFAULT_RUN_DIR, DEFAULT_STATE_DIR, Settings
from netpersona.cli.errors import CliError, report
from netpersona.client import ClientError
from netpersona.kinds.errors import InvalidDocument

if TYPE_CHECKING:
    import httpx2

GLOBAL_OPTIONS = ("--server", "--token-file", "--run-dir", "--state-dir")


def hoist(args: Sequence[str]) -> list[str]:
    """Global options first, so that people may type them anywhere; nothing after `--` is touched."""
    first: list[str] = []
    rest: list[str] = []
    words = iter(args)
    for word in words:
        if word == "--":
            rest += [word, *words]
        elif word in GLOBAL_OPTIONS:
            first += [word, *(value for value in [next(words, None)] if value is not None)]
        elif word.startswith(tuple(f"{option}=" for option in GLOBAL_OPTIONS)):
            first.append(word)
        else:
            rest.append(word)
    return first + rest


app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"netpersona {version('netpersona')}")
        raise typer.Exit


@app.callback()
def global_options(
    ctx: typer.Context,
    server: Annotated[
        str | None,
        typer.Option(
            envvar="NETPERSONA_SERVER",
            metavar="ADDRESS",
            help="unix:PATH or http://HOST:PORT.",
            show_default="the socket in --run-dir",
        ),
    ] = None,
    token_file: Annotated[
        Path | None,
        typer.Option(
            envvar="NETPERSONA_TOKEN_FILE",
            metavar="FILE",
            help="File with the bearer token for TCP.",
            show_default="STATE_DIR/manager/token",
        ),
    ] = None,
    run_dir: Annotated[
        Path,
        typer.Option(envvar="NETPERSONA_RUN_DIR", metavar="DIR", help="Sockets, pins and process files."),
    ] = DEFAULT_RUN_DIR,
    state_dir: Annotated[
        Path,
        typer.Option(envvar="NETPERSONA_STATE_DIR", metavar="DIR", help="Database, token, journal and logs."),
    ] = DEFAULT_STATE_DIR,
    version: Annotated[  # noqa: ARG001
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Give any workload a network persona: switched live in microseconds, verified and explained.

    The options below may stand before or after the command.
    """
    given = ctx.obj if isinstance(ctx.obj, Settings) else Settings()
    ctx.obj = Settings(server, token_file, run_dir, state_dir, transport=given.transport)


DOCUMENTS, RESOURCES, WORKLOADS, HOST = "Documents", "Resources", "Workloads", "This host"

workload = typer.Typer(no_args_is_help=True, help="Add workloads, and remove them.")
app.add_typer(workload, name="workload", rich_help_panel=WORKLOADS)

adaptation = typer.Typer(no_args_is_help=True, help="Let policies choose personas from what is measured.")
app.add_typer(adaptation, name="adapt", rich_help_panel=WORKLOADS)

COMMANDS: tuple[tuple[str, str, Callable[..., None], str], ...] = (
    (HOST, "up", host.up, "sudo netpersona up"),
    (HOST, "down", host.down, "sudo netpersona down"),
    (HOST, "status", status.status, "netpersona status"),
    (HOST, "completion", completion.completion, "netpersona completion bash >> ~/.bashrc"),
    (DOCUMENTS, "validate", apply.validate, "netpersona validate personas/ voip.yaml"),
    (DOCUMENTS, "schema", resources.schema, "netpersona schema > persona.schema.json"),
    (DOCUMENTS, "presets", personas.presets, "netpersona presets atc-3g-good > mine.yaml"),
    (DOCUMENTS, "explain", personas.explain, "netpersona explain voip.yaml"),
    (DOCUMENTS, "diff", apply.diff, "netpersona diff -f voip.yaml"),
    (RESOURCES, "apply", apply.apply, "netpersona apply -f personas/ --dry-run"),
    (RESOURCES, "load", apply.load, "netpersona load voip.yaml"),
    (RESOURCES, "unload", apply.unload, "netpersona unload voip-on-3g"),
    (RESOURCES, "get", resources.get, "netpersona get workloads -o json"),
    (RESOURCES, "describe", resources.describe, "netpersona describe workload web"),
    (RESOURCES, "delete", resources.delete, "netpersona delete persona voip-on-3g"),
    (RESOURCES, "watch", resources.watch, "netpersona watch workloads -o json"),
    (WORKLOADS, "assign", assignments.assign, "netpersona assign web voip-on-3g --ttl 60s"),
    (WORKLOADS, "create", create.create, "netpersona create --for voip --on web --dry-run"),
    (WORKLOADS, "plan", assignments.plan, "netpersona plan web voip-on-3g --detailed-exitcode"),
    (WORKLOADS, "confirm", assignments.confirm, "netpersona confirm web"),
    (WORKLOADS, "release", assignments.release, "netpersona release web"),
    (WORKLOADS, "rollback", assignments.rollback, "netpersona rollback web"),
    (
        WORKLOADS,
        "revert-to-default",
        default.revert_to_default,
        "netpersona revert-to-default web",
    ),
    (WORKLOADS, "top", top.top, "netpersona top --once -o json"),
    (WORKLOADS, "verify", verify.verify, "netpersona verify web --probes 500"),
)

for _group, _name, _function, _example in COMMANDS:
    app.command(_name, rich_help_panel=_group, epilog=f"Example: {_example}")(_function)

workload.command("add", epilog="Example: netpersona workload add web --netns web --interface eth0")(
    workloads.add
)
workload.command("remove", epilog="Example: netpersona workload remove web")(workloads.remove)


ADAPTATION: tuple[tuple[str, Callable[..., None], str], ...] = (
    ("enable", adapt.enable, "netpersona adapt enable web --policy calls.yaml --advise"),
    ("disable", adapt.disable, "netpersona adapt disable web"),
    ("explain", adapt.explain, "netpersona adapt explain web"),
    ("log", adapt.log, "netpersona adapt log web -o json"),
    ("off", adapt.off, "netpersona adapt off --all"),
    ("on", adapt.on, "netpersona adapt on --all"),
)
for _name, _function, _example in ADAPTATION:
    adaptation.command(_name, epilog=f"Example: {_example}")(_function)


def main(argv: Sequence[str] | None = None, *, transport: httpx2.BaseTransport | None = None) -> int:
    """Run one command and return its exit code; `transport` answers requests in place of the network."""
    try:
        code = _run(argv, transport)
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        _silence_stdout()
    except OSError as error:
        report(CliError(f"cannot go on: {error}"))
        _silence_stdout()
    except Exception as error:
        if os.environ.get("NETPERSONA_DEBUG"):
            raise
        what = f"{type(error).__name__}: {error}"
        report(CliError(f"this is a defect of netpersona ({what})", "NETPERSONA_DEBUG=1 shows where"))
    return 1


def _run(argv: Sequence[str] | None, transport: httpx2.BaseTransport | None) -> int:
    completion.answer_shells()
    try:
        answer = app(
            args=hoist(sys.argv[1:] if argv is None else argv),
            prog_name="netpersona",
            standalone_mode=False,
            obj=Settings(transport=transport),
        )
        return answer if isinstance(answer, int) else 0
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except typer.TyperException as error:
        if error.format_message():  # empty where the help has been shown in place of a command
            report(_usage(error))
        return error.exit_code
    except (CliError, ClientError) as error:
        report(error)
        return 1
    except InvalidDocument as error:
        said = CliError("the manager holds what this version cannot read", "use the version that it has")
        said.details = tuple(str(problem) for problem in error.problems)
        report(said)
        return 1


_LIBRARY = (
    (r"Value error, ", ""),
    (r"Input should be greater than or equal to (\S+)", r"write \1 or more"),
    (r"Input should be less than or equal to (\S+)", r"write \1 or less"),
    (r"Input should be a valid integer.*", "write a whole number"),
    (r"Input should be (.*)", r"write \1"),
)
"""What a validation library says of an option, and what we do."""


def _in_our_words(message: str) -> str:
    for pattern, said in _LIBRARY:
        message = re.sub(pattern, said, message)
    return message


def _usage(error: typer.TyperException) -> CliError:
    ctx = getattr(error, "ctx", None)
    command = ctx.command_path if ctx is not None else "netpersona"
    message = " ".join(_in_our_words(error.format_message()).split())
    return CliError(message.rstrip("."), f"see `{command} --help`")


def _silence_stdout() -> None:
    """Output has nowhere to go; keep the interpreter from complaining when it flushes at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
