"""Answers on stdout: a table for people, JSON or YAML for programs, names for shells."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from io import StringIO
from typing import TYPE_CHECKING, Annotated, Any

import typer

from netpersona.kinds.shown import printable

if TYPE_CHECKING:
    from netpersona.kinds.kind import Kind, Resource


class Format(StrEnum):
    table = "table"
    json = "json"
    yaml = "yaml"
    name = "name"


Output = Annotated[Format, typer.Option("-o", "--output", help="How to print the answer.")]


@dataclass(frozen=True)
class View:
    """One answer in every form. `data` is what JSON and YAML show, `names` one identifier a line."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    data: object
    names: Sequence[str]
    empty: str = "nothing to show"
    """Said on stderr in place of a table without rows."""


def view_of(kind: Kind[Any, Any], resources: Sequence[Resource[Any, Any]], *, single: bool = False) -> View:
    """A kind's own columns. `single` prints the resource itself instead of a list of one."""
    now = datetime.now(UTC)
    dumped = [kind.dump(resource) for resource in resources]
    return View(
        columns=[column.heading for column in kind.columns],
        rows=[[column.cell(resource, now) for column in kind.columns] for resource in resources],
        data=dumped[0] if single else dumped,
        names=[resource.name for resource in resources],
        empty=kind.empty,
    )


def emit(view: View, form: Format) -> None:
    writers: dict[Format, Callable[[View], None]] = {
        Format.json: lambda v: print(to_json(v.data)),
        Format.yaml: lambda v: print(to_yaml(v.data), end=""),
        Format.name: lambda v: print("".join(f"{name}\n" for name in v.names), end=""),
        Format.table: _table,
    }
    writers[form](view)


def say(text: str, *, flush: bool = False) -> None:
    """Print text of several lines, some of it perhaps another's."""
    print(printable(text, keep="\n"), flush=flush)


def to_json(data: object, *, indent: int | None = 2) -> str:
    """JSON that a terminal shows as it is: what is not printable can only stand in a string, as an escape."""
    text = json.dumps(data, indent=indent, ensure_ascii=False)
    return "".join(c if c.isprintable() or c == "\n" else _escaped(c) for c in text)


def _escaped(char: str) -> str:
    """RFC 8259 section 7: beyond 16 bits as a surrogate pair."""
    return json.dumps(char)[1:-1]


def to_yaml(data: object) -> str:
    from ruamel.yaml import YAML

    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    yaml.allow_unicode = json.dumps(data, ensure_ascii=False).isprintable()
    yaml.width = 10_000
    text = StringIO()
    yaml.dump(data, text)
    return text.getvalue()


def _table(view: View) -> None:
    if not view.rows:
        print(view.empty, file=sys.stderr)
    elif sys.stdout.isatty():
        _rich_table(view)
    else:
        print(plain_table(view.columns, view.rows))


def plain_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns two spaces apart, as wide as they need: a pipe has no 80 columns to wrap at."""
    lines = [list(columns), *([printable(cell) for cell in row] for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(columns))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def _rich_table(view: View) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for column in view.columns:
        table.add_column(column, overflow="fold")
    for row in view.rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    Console().print(table)
