"""Makes the Python of ``bpf/layout.h``: ``python -m lab.layout [--check]``.

Clang reads the header, so that what is written is what the kernel programs are compiled with. Only what a
slot is made of is taken: the structures that ``np_policy`` and ``np_conditions`` hold.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

HEADER: Final = Path(__file__).parent.parent / "bpf" / "layout.h"
TABLE: Final = HEADER.parents[1] / "src" / "netpersona" / "kinds" / "persona" / "layout.py"
ROOTS: Final = ("np_policy", "np_conditions")
CONSTANTS: Final = (
    r"NP_(MAX_(RULES|PROFILE_RULES|QUEUES)|DELAY_POINTS|EGRESS|INGRESS|MATCH_\w+|FORWARD|DROP|QUEUE_DEFAULT"
    r"|POLICY_\w+|NO_DSCP|LOSS_\w+|LINK_\w+|IN_FLIGHT_\w+)"
)
TYPES: Final = {
    "__u8": "c_uint8",
    "__u16": "c_uint16",
    "__u32": "c_uint32",
    "__u64": "c_uint64",
    "double": "c_double",
}
HEAD: Final = '''"""The structures of a slot, made of bpf/layout.h by `make layout`, so edit that."""

from __future__ import annotations

from ctypes import Structure, c_double, c_uint8, c_uint16, c_uint32, c_uint64
'''

Fields = list[tuple[str, str]]


def table() -> str:
    """The whole module."""
    structures = _structures(_clang("-Xclang", "-ast-dump=json", "-fsyntax-only"))
    constants = "\n".join(f"{name.removeprefix('NP_')} = {value}" for name, value in _constants())
    classes = "\n".join(_class(name, structures[name]) for name in _needed(ROOTS, structures))
    return _formatted(f"{HEAD}\n{constants}\n\n{classes}")


def _clang(*options: str) -> str:
    machine = subprocess.run(["uname", "-m"], check=True, capture_output=True, text=True).stdout.strip()
    headers = f"-I/usr/include/{machine}-linux-gnu"  # Debian keeps asm/types.h there
    command = ["clang", "-target", "bpf", headers, *options, str(HEADER)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def _constants() -> Iterator[tuple[str, int]]:
    for line in HEADER.read_text().splitlines():
        found = re.match(rf"#define ({CONSTANTS})\s+(\w+)", line)
        if found:
            yield found[1], int(found[found.re.groups], 0)


def _structures(tree: str) -> Mapping[str, Fields]:
    found: dict[str, Fields] = {}
    for node in json.loads(tree)["inner"]:
        if node.get("kind") == "RecordDecl" and node.get("name", "").startswith("np_"):
            found[node["name"]] = [_field(inner) for inner in node["inner"] if inner["kind"] == "FieldDecl"]
    return found


def _field(node: Mapping[str, Any]) -> tuple[str, str]:
    return node["name"], node["type"]["qualType"]


def _needed(roots: Iterable[str], structures: Mapping[str, Fields]) -> list[str]:
    """The structures and all that they hold, those that are held first."""
    ordered: list[str] = []
    for root in roots:
        held = [_element(kind).removeprefix("struct ") for _, kind in structures[root]]
        for name in [*_needed((name for name in held if name in structures), structures), root]:
            if name not in ordered:
                ordered.append(name)
    return ordered


def _class(name: str, fields: Fields) -> str:
    rows = "".join(f'("{field}", {_python(kind)}), ' for field, kind in fields)
    return f'\nclass {_camel_case(name)}(Structure):\n    """struct {name}"""\n\n    _fields_ = ({rows})\n'


def _python(kind: str) -> str:
    element = _element(kind)
    count = re.search(r"\[(\d+)\]", kind)
    base = TYPES.get(element) or _camel_case(element.removeprefix("struct "))
    return f"{base} * {count[1]}" if count else base


def _element(kind: str) -> str:
    return kind.partition("[")[0].strip()


def _camel_case(name: str) -> str:
    return "".join(word.capitalize() for word in name.removeprefix("np_").split("_"))


def _formatted(source: str) -> str:
    command = [str(Path(sys.executable).with_name("ruff")), "format", "-"]
    return subprocess.run(command, input=source, check=True, capture_output=True, text=True).stdout


def main() -> int:
    made = table()
    if "--check" not in sys.argv:
        TABLE.write_text(made)
    elif TABLE.read_text() != made:
        print(f"{TABLE.name} is not what bpf/layout.h says; run `make layout`", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
