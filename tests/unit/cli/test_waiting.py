"""Waiting for an agent."""

from __future__ import annotations

import pytest
from tests.unit.cli.conftest import Json

from netpersona.cli import waiting
from netpersona.cli.errors import CliError
from netpersona.client import Client

SEEN = {"workload_id": "web", "sequence": 2, "status": {"phase": "attached", "applied_sequence": 2}}
BEHIND = {**SEEN, "sequence": 3}
UNSEEN = {**SEEN, "status": None}


class Answers(Client):
    """Gives one answer after the other, without a manager."""

    def __init__(self, *answers: Json) -> None:
        self.left = list(answers)

    def find(self, _collection: str, _name: str) -> Json:
        return self.left.pop(0)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "POLL_S", 0)


def test_polls_until_it_is_reached() -> None:
    api = Answers(UNSEEN, SEEN, BEHIND)
    assert waiting.poll(api, UNSEEN, waiting.is_seen, 60) == SEEN
    assert api.left == [BEHIND]


def test_asks_nothing_when_it_is_reached_already_or_without_patience() -> None:
    assert waiting.poll(Answers(), SEEN, waiting.is_seen, 60) == SEEN
    assert waiting.poll(Answers(), UNSEEN, waiting.is_seen, 0) == UNSEEN


def test_what_is_applied_is_accepted() -> None:
    waiting.require_applied(SEEN, 2)


@pytest.mark.parametrize("workload", [BEHIND, UNSEEN])
def test_what_is_not_applied_is_an_error_unless_nobody_waited(workload: Json) -> None:
    with pytest.raises(CliError, match="within 2 s"):
        waiting.require_applied(workload, 2)
    waiting.require_applied(workload, 0)


MISSING = {**BEHIND, "status": {"phase": "missing", "message": "no eth0", "applied_sequence": 2}}


def test_a_persona_on_an_interface_that_is_gone_is_an_error_with_the_reason() -> None:
    with pytest.raises(CliError, match="missing: no eth0"):
        waiting.require_applied({**MISSING, "assignment": {"persona_id": "a"}}, 2)


def test_releasing_what_is_gone_is_no_error() -> None:
    waiting.require_applied(MISSING, 2)
