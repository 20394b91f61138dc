"""Command lines as people get them wrong, and as somebody would who means harm: one printable answer each."""

from __future__ import annotations

import pytest
from tests.unit.cli.conftest import FakeManager, Run

LINES = [
    (("get",), 2, "Missing argument"),
    (("get", "pods"), 2, "'pods' is not one of personas, policies, workloads, hosts, presets"),
    (("get", "personas", "x" * 5000), 1, "there is no persona named xxx"),
    (("get", "personas", "\x1b[31m"), 1, "\\x1b[31m is not a name; write letters, digits"),
    (("get", "personas", "a/../b"), 1, "there is no persona named a/../b"),
    (("get", "workload", "\udc80"), 1, "\\udc80 is not a name"),
    (("describe", ""), 1, "an empty word is not a name"),
    (("describe", "persona", "."), 1, ". is not a name"),
    (("explain", ".."), 1, ".. is not a name"),
    (("explain", "/etc/passwd"), 1, "/etc/passwd:1:1: text is not a persona"),
    (("explain", "/dev/null"), 1, "/dev/null: a device, not a file; name a file, or pipe it into -"),
    (("validate", ""), 1, "an empty word is not a file; name a file, a directory, or - for stdin"),
    (("apply", "-f", "/dev/zero"), 1, "a device, not a file"),
    (("diff", "slow", "\u202e"), 1, "\\u202e is not a name"),
    (("assign", "web", "slow", "--ttl", "-1s"), 2, "'-1s' is below 0; write a number and ns, us, ms"),
    (("assign", "web", "slow", "--ttl", "9" * 5000), 2, "a time to live of 5,000 characters is too long"),
    (("assign", "web", "slow", "--wait", "nan"), 2, "'nan' is not a duration"),
    (("assign", "web", "slow@0"), 1, "slow@0 names no revision"),
    (("rollback", ".."), 1, ".. is not a name"),
    (("verify", "web", "--probes", "0"), 2, "--probes': write 10 or more"),
    (("verify", "web", "--probes", "9" * 400), 2, "--probes': write 100000 or less"),
    (("presets", "x@1"), 1, "there is no preset named x@1; `netpersona presets` lists them"),
    (("delete", "preset", "x"), 2, "presets cannot be deleted; name a persona or a policy or a workload"),
    (("bogus\x1b[2J",), 2, "No such command 'bogus\\x1b[2J'"),
]


@pytest.mark.parametrize(("words", "code", "said"), LINES, ids=[" ".join(w)[:40] for w, _, _ in LINES])
def test_a_command_line_that_cannot_be_is_answered_in_words(
    run: Run, manager: FakeManager, words: tuple[str, ...], code: int, said: str
) -> None:
    manager.add_persona(persona_id="slow")
    manager.add_workload("web")
    ran = run(*words)
    assert (ran.code, ran.out) == (code, "")
    assert said in ran.err
    assert "defect" not in ran.err
    assert all(line.isprintable() and len(line) < 400 for line in ran.err.splitlines())
    assert [request.method for request in manager.asked if request.method != "GET"] == []
