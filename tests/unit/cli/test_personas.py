"""NAME@REVISION wherever a persona is named, and presets in get and describe."""

from __future__ import annotations

import httpx2
import pytest
from tests.unit.cli.conftest import FakeManager, Run, problem

from netpersona.cli.errors import CliError
from netpersona.cli.personas import split
from netpersona.kinds.persona import presets

OLDER = ("GET", "/v1/personas/voip/revisions/2")
PRESET = next(iter(presets()))


@pytest.fixture
def voip(manager: FakeManager) -> FakeManager:
    """A persona at revision 3, of which revision 2 is kept."""
    manager.add_persona(persona_id="voip", egress={"latency": "90ms"})
    spec = {"persona_id": "voip", "egress": {"latency": "20ms"}}
    old = {"persona_id": "voip", "revision": 2, "spec": spec}
    manager.answers[OLDER] = httpx2.Response(200, json=old)
    return manager


def test_a_name_is_split_from_its_revision() -> None:
    assert [split("voip"), split("voip@2"), split("a@999999999999999999")] == [
        ("voip", None),
        ("voip", 2),
        ("a", 999999999999999999),
    ]


@pytest.mark.parametrize(
    "name", ["voip@", "voip@two", "voip@0", "voip@-1", "a@1@2", "voip@" + "9" * 5000, "@\x1b[m"]
)
def test_what_is_no_revision_is_told_what_to_write(name: str) -> None:
    with pytest.raises(CliError, match="names no revision") as caught:
        split(name)
    assert caught.value.remedy == "write NAME@REVISION, as in voip@2, or the name alone"
    assert len(caught.value.message) < 100


@pytest.mark.usefixtures("voip")
@pytest.mark.parametrize("words", [("explain",), ("get", "persona"), ("describe", "persona"), ("describe",)])
def test_a_revision_is_shown_as_it_was(run: Run, words: tuple[str, ...]) -> None:
    form = ("-o", "yaml") if words[0] == "get" else ()
    ran = run(*words, "voip@2", *form)
    assert (ran.code, ran.err) == (0, "")
    assert "20ms" in ran.out
    assert "90ms" not in ran.out
    assert "90ms" in run(*words, "voip@3", *form).out


@pytest.mark.usefixtures("voip")
def test_two_revisions_are_compared(run: Run) -> None:
    ran = run("diff", "voip@2", "voip", "-o", "json")
    (change,) = ran.json
    assert (ran.code, change["before"], change["after"]) == (1, "20ms", "90ms")


def test_a_revision_that_is_gone_is_answered_with_the_newest(run: Run, voip: FakeManager) -> None:
    voip.answers[OLDER] = problem(404, "not kept")
    ran = run("describe", "persona", "voip@2")
    assert (ran.code, ran.err) == (1, "error: revision 2 of voip is not kept; voip@3 is the newest\n")


def test_assign_pins_the_revisions_that_are_named(run: Run, voip: FakeManager) -> None:
    voip.add_workload("web")
    voip.answers["PUT", "/v1/workloads/web/persona"] = httpx2.Response(200, json=voip.workloads["web"])
    assert run("assign", "web", "voip@2", "--ttl", "60s", "--fallback", "voip@3").code == 0
    ((_, body),) = voip.sent("PUT")
    assert body == {
        "persona_id": "voip",
        "persona_revision": 2,
        "ttl": "60s",
        "fallback": "voip",
        "fallback_revision": 3,
    }


def test_one_revision_is_not_deleted_alone(run: Run, voip: FakeManager) -> None:
    ran = run("delete", "persona", "voip@2")
    assert (ran.code, ran.err) == (1, "error: voip@2 is one revision, and all go together; name voip\n")
    assert voip.sent("DELETE") == []


def test_presets_are_got_and_described_without_a_manager(run: Run, manager: FakeManager) -> None:
    assert len(run("get", "presets", "-o", "name").out.splitlines()) == len(presets())
    assert run("get", "preset", PRESET, "-o", "json").json["spec"]["persona_id"] == PRESET
    assert "a preset, which comes with netpersona" in run("describe", "preset", PRESET).out
    assert manager.asked == []


def test_a_preset_is_found_where_no_persona_has_its_name(run: Run, manager: FakeManager) -> None:
    assert "a preset" in run("describe", PRESET).out
    assert run("get", "persona", PRESET).out == run("get", "preset", PRESET).out
    manager.add_persona(persona_id=PRESET, mtu=1234)
    assert "1234" in run("describe", PRESET).out


@pytest.mark.parametrize("words", [("get", "preset"), ("describe", "preset")])
def test_an_unknown_preset_offers_the_nearest(run: Run, words: tuple[str, str]) -> None:
    ran = run(*words, f"{PRESET}x")
    assert ran.code == 1
    assert f"did you mean {PRESET}?" in ran.err


@pytest.mark.parametrize("words", [("delete", "preset", PRESET), ("watch", "presets")])
def test_what_presets_do_not_take_is_a_usage_error(run: Run, words: tuple[str, ...]) -> None:
    ran = run(*words)
    assert ran.code == 2
    assert "presets" in ran.err
