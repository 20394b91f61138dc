from pathlib import Path

from netpersona.kinds.persona.reference import reference

PAGE = Path(__file__).parents[4] / "docs" / "reference" / "persona.md"


def test_the_committed_page_is_what_the_model_says_now() -> None:
    assert PAGE.read_text() == reference(), (
        "run python -m netpersona.kinds.persona.reference > docs/reference/persona.md"
    )
