"""What runs as root trusts nothing that it did not make: processes, directories, owners, files."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from lab.instance import COMMAND, Instance, instance
from lab.namespaces import Lab

from netpersona.cli.places import UID_RANGE
from netpersona.datapath import processes
from netpersona.datapath.processes import MARKER

pytestmark = pytest.mark.netns
LAG = {"persona_id": "lag", "egress": {"latency": "5ms"}}
ROLES = ("manager", "agent", "engine")
SLEEPS = "import time; print(flush=True); time.sleep(600)"


@pytest.fixture
def persona(network: Lab) -> Iterator[Instance]:
    with instance(network) as made:
        yield made


@contextmanager
def imposter(persona: Instance, uid: int) -> Iterator[subprocess.Popen[bytes]]:
    """What a user can make look like our agent, in a user namespace and with mounts of its own."""
    package = persona.run_dir.parent / f"of-{uid}" / "netpersona"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "agent.py").write_text(SLEEPS)
    environment = {MARKER: str(persona.run_dir), "PYTHONPATH": str(package.parent)}
    user = ("setpriv", "--reuid", str(uid), "--regid", str(uid), "--clear-groups")
    alone = ("unshare", "--user", "--map-root-user", "--mount")
    command = [*user, *alone, "/usr/bin/python3", "-m", "netpersona.agent"]
    with subprocess.Popen(
        command, env=os.environ | environment, stdout=subprocess.PIPE, start_new_session=True
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline(), "it runs"
        yield child
        child.kill()


def test_no_user_and_not_the_manager_is_taken_for_a_survivor(persona: Instance) -> None:
    persona.command("up")
    uids = (1234, (persona.state_dir / "manager").stat().st_uid)
    for role in ROLES:
        persona.kill(role)
    with ExitStack() as stack:
        imposters = [stack.enter_context(imposter(persona, uid)) for uid in uids]
        said = persona.command("up").stderr
        assert all(f"{role} runs" in said for role in ROLES)
        agent = persona.process("agent")
        assert agent is not None
        assert processes.namespace("mnt", agent.pid) == processes.namespace("mnt")
        persona.command("down")
        assert [child.poll() for child in imposters] == [None, None], "nor was it ended"
    assert not persona.run_dir.exists()


@pytest.mark.parametrize("option", ["--run-dir", "--state-dir"])
def test_a_foreign_directory_is_refused_and_left_alone(persona: Instance, option: str) -> None:
    foreign = persona.run_dir.parent / "home"
    foreign.mkdir(parents=True)
    (foreign / "thesis.tex").write_text("years of work")
    for command in (["up"], ["down", "--purge"]):
        refused = persona.command(*command, option, str(foreign), check=False)
        assert refused.returncode == 1
        assert f"{foreign} is not netpersona's: it holds thesis.tex" in refused.stderr
        assert "--state-dir" in refused.stderr
    assert sorted(entry.name for entry in foreign.iterdir()) == ["thesis.tex"]
    assert not persona.run_dir.exists()


def test_what_others_put_into_our_directories_outlives_them(persona: Instance) -> None:
    persona.command("up")
    kept = [persona.run_dir / "theirs", persona.state_dir / "manager" / "backup.db"]
    for path in kept:
        path.write_text("theirs")
    said = persona.command("down", "--purge").stderr
    assert f"kept {persona.run_dir}: it holds theirs" in said
    assert f"kept {persona.state_dir}: it holds manager/backup.db" in said
    assert [path.read_text() for path in kept] == ["theirs", "theirs"]
    assert not (persona.state_dir / "manager" / "token").exists()
    persona.command("up")


def test_state_of_a_user_that_systemd_may_give_away_changes_hands(persona: Instance) -> None:
    """As an earlier release left it: no mark, and a user from the range of DynamicUser=."""
    persona.command("up")
    persona.define(LAG)
    persona.command("down")
    directory = persona.state_dir / "manager"
    (persona.state_dir / ".netpersona").unlink()
    victim = persona.state_dir.parent / "victim"
    victim.touch(0o600)
    (directory / "second-name").hardlink_to(victim)
    token = (directory / "token").read_text()
    for path in (directory, *directory.iterdir()):
        os.chown(path, 61234, 61234)
    os.chown(victim, 0, 0)
    persona.command("up")
    owner = directory.stat().st_uid
    assert owner in UID_RANGE
    assert {path.stat().st_uid for path in directory.glob("netpersona.db*")} == {owner}
    assert victim.stat().st_uid == 0
    assert (directory / "token").read_text() == token
    assert persona.request("GET", "/v1/personas/lag")["persona_id"] == "lag"
    assert "everything was running already" in persona.command("up").stderr
    assert directory.stat().st_uid == owner


def test_the_token_is_not_read_through_a_link(persona: Instance) -> None:
    persona.command("up")
    victim = persona.state_dir.parent / "shadow"
    victim.write_text("rootssecret\n")
    victim.chmod(0o600)
    token = persona.state_dir / "manager" / "token"
    token.unlink()
    token.symlink_to(victim)
    assert "rootssecret" not in persona.command("up").stdout
    refused = persona.command("get", "hosts", "--server", "http://127.0.0.1:8470", check=False)
    assert "a bearer token is needed here" in refused.stderr


@pytest.mark.parametrize(
    ("behind", "said"),
    [
        (("unshare", "--user"), "needs root; run `sudo netpersona"),
        (("unshare", "--user", "--map-root-user"), "root of a user namespace only"),
    ],
)
def test_who_is_not_root_is_told_so_whatever_there_is(
    persona: Instance, network: Lab, behind: tuple[str, ...], said: str
) -> None:
    (persona.state_dir / "manager").mkdir(parents=True)
    (persona.state_dir / "manager").chmod(0o700)
    where = ["--run-dir", str(persona.run_dir), "--state-dir", str(persona.state_dir)]
    for command in ("up", "down"):
        ran = network.host.run(*behind, str(COMMAND), *where, command, check=False)
        assert ran.returncode == 1
        assert said in ran.stderr
    assert not Path(persona.run_dir).exists()
