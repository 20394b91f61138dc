"""The Python of bpf/layout.h: up to date, and with the sizes and offsets that the C compiler gives it."""

import ctypes
import subprocess
from pathlib import Path

import pytest
from lab.layout import table

from netpersona.kinds.persona import layout

ROOT = Path(__file__).parents[4]
STRUCTURES = {
    "np_rule": layout.Rule,
    "np_policy": layout.Policy,
    "np_loss": layout.Loss,
    "np_chance": layout.Chance,
    "np_delay_point": layout.DelayPoint,
    "np_delay": layout.Delay,
    "np_link": layout.Link,
    "np_queue": layout.Queue,
    "np_conditions": layout.Conditions,
}
CONSTANTS = {name: value for name, value in vars(layout).items() if name.isupper()}


def c_program() -> str:
    """A program that prints every size, offset and constant, one `name value` a line."""
    prints = [f'printf("{name} %d\\n", NP_{name});' for name in CONSTANTS]
    for name, structure in STRUCTURES.items():
        prints.append(f'printf("{name} %zu\\n", sizeof(struct {name}));')
        prints += [
            f'printf("{name}.{field} %zu\\n", offsetof(struct {name}, {field}));'
            for field in (entry[0] for entry in structure._fields_)
        ]
    body = "\n".join(prints)
    includes = '#include <stddef.h>\n#include <stdio.h>\n#include "layout.h"\n'
    return f"{includes}int main(void) {{ {body} return 0; }}\n"


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> dict[str, int]:
    directory = tmp_path_factory.mktemp("layout")
    (directory / "main.c").write_text(c_program())
    binary = directory / "main"
    subprocess.run(["cc", "-I", ROOT / "bpf", directory / "main.c", "-o", binary], check=True)
    lines = subprocess.run([binary], check=True, capture_output=True, text=True).stdout.splitlines()
    return {name: int(value) for name, value in (line.split() for line in lines)}


@pytest.mark.parametrize("name", STRUCTURES)
def test_a_structure_has_the_size_and_offsets_that_the_compiler_gives_it(
    name: str, compiled: dict[str, int]
) -> None:
    structure = STRUCTURES[name]
    assert ctypes.sizeof(structure) == compiled[name]
    for field in (entry[0] for entry in structure._fields_):
        assert getattr(structure, field).offset == compiled[f"{name}.{field}"], field


def test_constants_have_the_values_of_the_header(compiled: dict[str, int]) -> None:
    assert {name: compiled[name] for name in CONSTANTS} == CONSTANTS


def test_the_module_is_what_the_header_makes() -> None:
    assert Path(layout.__file__).read_text() == table(), "run `make layout`"
