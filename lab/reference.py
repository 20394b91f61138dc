"""Reference pages from the model, the API and the command tree: ``python -m lab.reference [--check]``."""

from __future__ import annotations

import argparse
import json
import re
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from enum import EnumMeta
from pathlib import Path
from typing import Any

from typer.main import get_command

from netpersona.cli.app import app
from netpersona.control.http.examples import NAMES
from netpersona.kinds import registry, yaml_format
from netpersona.kinds.kind import Kind
from netpersona.kinds.persona import Persona
from netpersona.kinds.persona.reference import reference as persona_page

REFERENCE = Path(__file__).parent.parent / "docs" / "reference"
NOTE = "<!-- Made by `make docs`; edit the model or the API instead. -->"

ANY_CALL = {"400", "401", "403", "421", "422"}
"""Refusals that are told once for all calls."""


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def api_page() -> str:
    """Every call of the REST API with its answers."""
    document = json.loads((REFERENCE / "openapi.json").read_text())
    lines = [NOTE, "# The REST API", "", document["info"].get("description", "").strip(), ""]
    lines += ["| call | what it does | answers |", "|---|---|---|"]
    for path, calls in document["paths"].items():
        for method, call in calls.items():
            answers = ", ".join(sorted(call["responses"].keys() - ANY_CALL))
            lines.append(f"| `{method.upper()} {path}` | {_deed(call)} | {answers} |")
    return "\n".join([*lines, "", *_examples(document)])


def _examples(document: Mapping[str, Any]) -> Iterator[str]:
    """A command for each call with a body."""
    yield "## Examples\n"
    yield "On the host itself, as root. Over TCP leave `--unix-socket` out, ask the address that `up` printed"
    yield 'and add `-H "Authorization: Bearer $TOKEN"`. `If-Match: *` replaces whatever is there; send an'
    yield "ETag to replace only what you have read.\n"
    for path, calls in document["paths"].items():
        for method, call in calls.items():
            if "requestBody" in call:
                yield f"```sh\n{_curl(method.upper(), path, call)}\n```\n"


def _curl(method: str, path: str, call: Mapping[str, Any]) -> str:
    body = json.dumps(call["requestBody"]["content"]["application/json"]["example"])
    headers = [
        "-H 'Content-Type: application/json'",
        *(["-H 'If-Match: *'"] if "428" in call["responses"] else []),
    ]
    named = re.sub("{(.*?)}", lambda part: NAMES[part[1]], path)
    first = f"curl --unix-socket /run/netpersona/api.sock -X {method} http://localhost{named}"
    return f"{first} \\\n  {' '.join(headers)} \\\n  -d {shlex.quote(body)}"


def _deed(call: Mapping[str, Any]) -> str:
    """What a call does: the first paragraph of its description, else its name."""
    about: str = call.get("description") or f"{call.get('summary', '')}."
    return _cell(about.split("\n\n")[0])


def cli_page() -> str:
    """Every command with its options."""
    root = get_command(app)
    lines = [NOTE, "# The command line", "", (root.help or "").strip(), "", *_options(root)]
    lines += [
        "Answers are on stdout, everything else on stderr. Exit codes: 0 done, 1 refused or not as"
        " asked (`diff`: there are differences; `verify`: something does not hold; `assign`, `get` and"
        " `describe` of workloads: what is worn is not in force, or not known to be; `status`: that, or a"
        " process does not run, or a workload is in error), 2 wrong usage, 130 interrupted.",
        "Tables are for people; programs read `-o json`. Colour is left out under `NO_COLOR`.",
        "",
    ]
    for name, command in _commands(root):
        lines += [f"## `{_usage(name, command)}`", "", (command.help or "").strip(), "", *_options(command)]
        lines += [
            f"`{example}`\n" for example in [(command.epilog or "").removeprefix("Example: ")] if example
        ]
    return "\n".join(lines).rstrip("\n") + "\n"


def _commands(group: Any, prefix: str = "netpersona") -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _commands(command, f"{prefix} {name}")
        else:
            yield f"{prefix} {name}", command


def _usage(name: str, command: Any) -> str:
    """The command with its arguments and the options it cannot do without."""
    words = [name]
    for parameter in command.params:
        word = parameter.metavar or parameter.name.upper()
        if parameter.param_type_name == "argument":
            words.append(word if parameter.required or word.startswith("[") else f"[{word}]")
        elif parameter.required:
            words.append(f"{parameter.opts[-1]} {word}")
    return " ".join(words)


def _options(command: Any) -> list[str]:
    rows = [_option(option) for option in command.params if option.param_type_name == "option"]
    return ["| option | default | meaning |", "|---|---|---|", *rows, ""] if rows else []


def _option(option: Any) -> str:
    annotation = option.type_descriptor.annotation
    choices = "|".join(annotation) if isinstance(annotation, EnumMeta) else None
    value = "" if option.is_flag else f" {choices or option.metavar or option.name.upper()}"
    default = option.show_default if isinstance(option.show_default, str) else option.default
    shown = "" if default is None or option.is_flag or option.required else f"{default}"
    about = f"{option.help or ''}{f' Environment: `{option.envvar}`.' if option.envvar else ''}"
    return f"| `{_cell(', '.join(option.opts) + value)}` | {_cell(shown)} | {_cell(about)} |"


def kinds_page() -> str:
    """Every kind with its keys and an example; personas have a page of their own."""
    lines = [NOTE, "# Kinds", "", "What the manager holds; `netpersona get PLURAL` lists it."]
    for kind in registry.KINDS:
        written = "written by people" if kind.verbs else "told by the product"
        lines += ["", f"## {kind.noun}", "", f"{kind.doc} `/v1/{_path(kind)}`; {written}.", ""]
        lines += ["[Its page](persona.md) has its keys."] if kind.spec is Persona else _keys(kind)
    return "\n".join(lines) + "\n"


def _path(kind: Kind[Any, Any]) -> str:
    return f"{registry.kind_named(kind.within).plural}/{{id}}/{kind.plural}" if kind.within else kind.plural


def _keys(kind: Kind[Any, Any]) -> list[str]:
    """A table of the keys of its documents, and a document."""
    schema = kind.spec.model_json_schema()
    rows = [f"| `{kind.id_key}` | required | Its name |"]
    for key, field in schema["properties"].items():
        default = "required" if key in schema.get("required", ()) else _shown(field.get("default"))
        rows.append(f"| `{key}` | {default} | {_cell(_meaning(field))} |")
    example = yaml_format.write(dict(kind.example)).rstrip("\n")
    return ["| key | default | meaning |", "|---|---|---|", *rows, "", "```yaml", example, "```"]


def _meaning(field: Mapping[str, Any]) -> str:
    choices = f"One of {', '.join(field['enum'])}" if "enum" in field else ""
    return ". ".join(part for part in (field.get("description", ""), choices) if part)


def _shown(value: Any) -> str:
    return "" if value in (None, "", {}, []) else f"`{json.dumps(value)}`"


PAGES = {"persona.md": persona_page, "kinds.md": kinds_page, "api.md": api_page, "cli.md": cli_page}


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="exit 1 when a page is not up to date")
    check = parser.parse_args(argv).check
    stale = [name for name, page in PAGES.items() if not _is_current(REFERENCE / name, page())]
    if check and stale:
        print(f"run `make docs`: {', '.join(stale)} not up to date", file=sys.stderr)
        return 1
    for name in stale:
        (REFERENCE / name).write_text(PAGES[name]())
    return 0


def _is_current(path: Path, text: str) -> bool:
    return path.exists() and path.read_text() == text


if __name__ == "__main__":
    sys.exit(main())
