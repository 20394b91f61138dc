"""The commands of the reference page, as they stand there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "api.md"


def _commands() -> list[list[str]]:
    blocks = re.findall(r"```sh\n(.*?)```", PAGE.read_text(), re.DOTALL)
    return [shlex.split(block.replace("\\\n", " ")) for block in blocks]


def test_every_example_is_taken(start: Any, tmp_path: Path) -> None:
    commands = _commands()
    assert len(commands) >= 14
    with start(tmp_path) as running, running.unix() as client:
        for words in commands:
            assert words[:2] == ["curl", "--unix-socket"]
            method = words[words.index("-X") + 1]
            url = next(word for word in words if word.startswith("http"))
            headers = dict(words[i + 1].split(": ") for i, word in enumerate(words) if word == "-H")
            answer = client.request(method, url, content=words[words.index("-d") + 1], headers=headers)
            # There is no verification of that very number.
            assert answer.is_success or (answer.status_code == 404 and "verifications/" in url), answer.text
