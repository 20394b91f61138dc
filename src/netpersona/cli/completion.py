"""Shell completion: the scripts, the kinds, and the names that the manager and the presets know."""

from __future__ import annotations

import os
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from netpersona.cli.connection import DEFAULT_RUN_DIR, DEFAULT_STATE_DIR, Settings, connect
from netpersona.kinds.registry import HOMES, noun_of

TIMEOUT_S = 0.3
"""A person pressing Tab must not wait for a manager that does not answer."""

VARIABLE = "_NETPERSONA_COMPLETE"
"""Set by the scripts; its value is what the shell wants (typer's protocol)."""


class Shell(StrEnum):
    bash = "bash"
    zsh = "zsh"
    fish = "fish"


def completion(
    shell: Annotated[Shell, typer.Argument(metavar="bash|zsh|fish", help="The shell to complete in.")],
) -> None:
    """Print the script that makes a shell complete netpersona's commands, options and names."""
    from typer._completion_shared import get_completion_script

    print(get_completion_script(prog_name="netpersona", complete_var=VARIABLE, shell=shell))


def answer_shells() -> None:
    """Let typer answer a shell's request; it does so by itself only with its --install-completion options."""
    if VARIABLE in os.environ:
        from typer._completion_classes import completion_init

        completion_init()


def _names(ctx: typer.Context, plural: str) -> list[str]:
    """The names of a collection, without the models of its kind, which take longer than the answer.

    Silent on any failure: an error message in the middle of a command line helps nobody.
    """
    try:
        from netpersona.client.calls import page

        with connect(_settings(ctx), TIMEOUT_S) as api:
            return [name_in(item) for item in api.send(page(plural)).get("items", ())]
    except Exception:  # completion must never disturb the line being typed
        return []


def name_in(answer: dict[str, object]) -> str:
    """Every kind has its name first."""
    return str(next(iter(answer.values())))


def _settings(ctx: typer.Context) -> Settings:
    """While completing, no callback has run; only the options parsed so far are known."""
    options = ctx.find_root().params
    token = options.get("token_file")
    return Settings(
        server=options.get("server"),
        token_file=Path(token) if token else None,
        run_dir=Path(options.get("run_dir") or DEFAULT_RUN_DIR),
        state_dir=Path(options.get("state_dir") or DEFAULT_STATE_DIR),
    )


def _starting(names: Iterable[str], incomplete: str) -> list[str]:
    return sorted({name for name in names if name.startswith(incomplete)})


def presets(incomplete: str) -> list[str]:
    from netpersona.kinds.persona import presets as known

    return _starting(known(), incomplete)


def personas(ctx: typer.Context, incomplete: str) -> list[str]:
    """Whatever may be assigned: stored personas and presets."""
    return _starting([*_names(ctx, "personas"), *presets(incomplete)], incomplete)


def workloads(ctx: typer.Context, incomplete: str) -> list[str]:
    return _starting(_names(ctx, "workloads"), incomplete)


def policies(ctx: typer.Context, incomplete: str) -> list[str]:
    return _starting(_names(ctx, "policies"), incomplete)


def applications(incomplete: str) -> list[str]:
    return _starting(("voip", "video", "gaming", "bulk", "backup"), incomplete)


def kinds(incomplete: str) -> list[str]:
    return [home.plural for home in HOMES.values() if not home.within and home.plural.startswith(incomplete)]


def written_kinds(incomplete: str) -> list[str]:
    return [home.plural for home in HOMES.values() if home.is_written and home.plural.startswith(incomplete)]


def of_kind(ctx: typer.Context, incomplete: str) -> list[str]:
    """Names of the kind that stands before them on the line."""
    noun = noun_of(str(ctx.params.get("kind") or ""))
    if noun == "preset":
        return presets(incomplete)
    return _starting(_names(ctx, HOMES[noun].plural) if noun else (), incomplete)


def kinds_and_names(ctx: typer.Context, incomplete: str) -> list[str]:
    """What may follow `describe`: a kind, or a name that says it."""
    nouns = [noun for noun, home in HOMES.items() if not home.within]
    written = [home.plural for home in HOMES.values() if home.is_written]
    return _starting([*nouns, *(name for plural in written for name in _names(ctx, plural))], incomplete)
