"""workload add and workload remove."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest
from tests.unit.cli.conftest import FakeManager, Run

POST = ("POST", "/v1/workloads")


def answered(manager: FakeManager, **changes: Any) -> None:
    """Let the manager answer the next creation with a workload that an agent has looked at."""
    manager.answers[POST] = httpx2.Response(201, json=manager.add_workload("web", **changes))


def test_a_namespace_makes_it_a_netns_workload(run: Run, manager: FakeManager) -> None:
    answered(manager)
    assert run("workload", "add", "web", "--netns", "web", "--interface", "eth0").code == 0
    assert manager.sent("POST") == [
        (
            "/v1/workloads",
            {
                "workload_id": "web",
                "kind": "netns",
                "host": "local",
                "netns": "web",
                "container": None,
                "domain": None,
                "interface": "eth0",
                "facing": "auto",
                "allow_management": False,
                "labelled": False,
            },
        )
    ]


def test_an_interface_alone_is_one_of_the_host(run: Run, manager: FakeManager) -> None:
    answered(manager)
    run("workload", "add", "web", "--interface", "tap0", "--facing", "network", "--allow-management")
    ((_, body),) = manager.sent("POST")
    assert (body["kind"], body["netns"], body["facing"], body["allow_management"]) == (
        "interface",
        None,
        "network",
        True,
    )


def test_the_kind_can_be_said(run: Run, manager: FakeManager) -> None:
    answered(manager)
    run("workload", "add", "web", "--interface", "vnet0", "--kind", "vm")
    assert manager.sent("POST")[0][1]["kind"] == "vm"


def test_adding_the_same_again_is_no_error(run: Run, manager: FakeManager) -> None:
    manager.add_workload("web")
    manager.answers[POST] = httpx2.Response(409, json={"detail": "web exists"})
    ran = run("workload", "add", "web", "--netns", "web", "--interface", "eth0")
    assert ran.code == 0
    assert "already there" in ran.err


def test_adding_another_under_the_same_name_is_an_error(run: Run, manager: FakeManager) -> None:
    manager.add_workload("web")
    manager.answers[POST] = httpx2.Response(409, json={"detail": "web exists"})
    ran = run("workload", "add", "web", "--netns", "web", "--interface", "eth1")
    assert (ran.code, ran.out) == (1, "")
    assert "another interface" in ran.err


def test_a_refused_interface_is_an_error_with_the_agents_reason(run: Run, manager: FakeManager) -> None:
    answered(
        manager, status={"phase": "refused", "message": "carries the default route", "applied_sequence": 0}
    )
    ran = run("workload", "add", "web", "--interface", "eth0")
    assert ran.code == 1
    assert "refused: carries the default route" in ran.err
    assert "workload remove web" in ran.err


def test_a_missing_interface_is_a_warning(run: Run, manager: FakeManager) -> None:
    answered(manager, status={"phase": "missing", "message": "no eth0", "applied_sequence": 0})
    ran = run("workload", "add", "web", "--interface", "eth0")
    assert ran.code == 0
    assert "warning: no eth0; the workload is taken up" in ran.err


def test_no_agent_is_a_warning(run: Run, manager: FakeManager) -> None:
    answered(manager, status=None)
    ran = run("workload", "add", "web", "--interface", "eth0", "--wait", "0s")
    assert ran.code == 0
    assert "no agent" in ran.err


@pytest.mark.parametrize("argv", [["--kind", "pod"], ["--facing", "up"], ["--wait", "long"]])
def test_wrong_options_are_usage_errors(run: Run, manager: FakeManager, argv: list[str]) -> None:
    assert run("workload", "add", "web", "--interface", "eth0", *argv).code == 2
    assert manager.asked == []


def test_remove_deletes(run: Run, manager: FakeManager) -> None:
    manager.add_workload("web")
    assert run("workload", "remove", "web").out == "workload/web deleted\n"
    assert [path for path, _ in manager.sent("DELETE")] == ["/v1/workloads/web"]


@pytest.mark.parametrize(
    ("option", "kind"), [("--container", "container"), ("--domain", "vm"), ("--netns", "netns")]
)
def test_what_it_is_found_by_says_its_kind(run: Run, manager: FakeManager, option: str, kind: str) -> None:
    answered(manager)
    assert run("workload", "add", "web", option, "its-name", "--interface", "eth0").code == 0
    ((_, body),) = manager.sent("POST")
    assert (body["kind"], body[option.strip("-")]) == (kind, "its-name")


def test_a_container_needs_no_interface(run: Run, manager: FakeManager) -> None:
    answered(manager)
    assert run("workload", "add", "web", "--container", "web").code == 0
    assert manager.sent("POST")[0][1]["interface"] is None


def test_a_workload_that_is_nowhere_is_a_wrong_command(run: Run, manager: FakeManager) -> None:
    ran = run("workload", "add", "web")
    assert ran.code == 2
    assert "--container" in ran.err
    assert manager.sent("POST") == []


def test_what_is_no_workload_is_told_key_by_key_before_anything_is_asked(
    run: Run, manager: FakeManager
) -> None:
    ran = run("workload", "add", "a b", "--interface", "a/b")
    assert (ran.code, ran.out) == (1, "")
    assert [line.split(":")[0] for line in ran.err.splitlines()] == ["/workload_id", "/interface", "error"]
    assert manager.asked == []
