"""Reference pages from the model and the OpenAPI document: ``python -m lab.reference [--check]``."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from netpersona.persona.reference import reference as persona_page

REFERENCE = Path(__file__).parent.parent / "docs" / "reference"
NOTE = "<!-- Made by `make docs`; edit the model or the API instead. -->"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def api_page() -> str:
    """Every call of the REST API with its answers."""
    document = json.loads((REFERENCE / "openapi.json").read_text())
    lines = [NOTE, "# The REST API", "", document["info"].get("description", ""), ""]
    lines += ["| call | what it does | answers |", "|---|---|---|"]
    for path, calls in document["paths"].items():
        for method, call in calls.items():
            answers = ", ".join(sorted(call["responses"]))
            lines.append(f"| `{method.upper()} {path}` | {_cell(call.get('summary', ''))} | {answers} |")
    return "\n".join([*lines, ""])


PAGES = {"persona.md": persona_page, "api.md": api_page}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="exit 1 when a page is not up to date")
    check = parser.parse_args().check
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
