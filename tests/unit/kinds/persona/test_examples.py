from pathlib import Path

from netpersona.kinds.persona import compile_persona, load

EXAMPLES = Path(__file__).parents[4] / "examples"


def test_the_examples_load_and_compile_without_a_warning() -> None:
    personas = load(EXAMPLES)
    assert len(personas) >= 6
    assert [warning for persona in personas for warning in compile_persona(persona).warnings] == []


def test_every_example_is_shown_in_the_readme() -> None:
    readme = (EXAMPLES.parent / "README.md").read_text()
    assert [path.name for path in EXAMPLES.iterdir() if f"(examples/{path.name})" not in readme] == []
