"""Real containers of podman in a lab's host, on a bridge of podman's own."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from lab.instance import eventually
from lab.namespaces import Namespace
from netpersona.datapath.processes import identify, stop

IMAGE = "localhost/netpersona-lab"
# Its own mounts, so that nothing of podman's is seen outside; crun and higher limits fail in a sandbox.
SERVICE = """
mount -t tmpfs none /run/netns && mkdir -p /var/lib/cni && mount -t tmpfs none /var/lib/cni
exec podman --root {base}/root --runroot {base}/run --tmpdir {base}/tmp --network-config-dir {base}/net \
  --runtime runc --cgroup-manager cgroupfs --events-backend {events} --storage-driver vfs \
  system service --time 0 unix://{base}/podman.sock
"""
LIMITS = ("--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024")


@dataclass(frozen=True)
class Podman:
    """A service of podman's; `socket` is its API's."""

    host: Namespace
    base: Path
    service: subprocess.Popen[bytes]

    @property
    def socket(self) -> Path:
        return self.base / "podman.sock"

    def command(self, *arguments: str, check: bool = True) -> str:
        """As `podman` on the command line, through the service."""
        remote = ["podman", "--remote", "--url", f"unix://{self.socket}"]
        return self.host.run(*remote, *arguments, check=check, timeout=60).stdout.strip()

    def run(self, name: str, *options: str) -> str:
        """A container that sleeps; answers its id."""
        parent = ("--cgroup-parent", f"/{self.base.name}")
        wait = ("/bin/sleep", "100000")
        return self.command("run", "-d", "--name", name, *LIMITS, *parent, *options, IMAGE, *wait)

    def inspect(self, name: str) -> dict[str, Any]:
        with httpx2.Client(transport=httpx2.HTTPTransport(uds=str(self.socket)), timeout=20) as client:
            return dict(client.get(f"http://podman/containers/{name}/json").json())

    def inside(self, name: str, *argv: str) -> subprocess.CompletedProcess[str]:
        """A command of ours in the container's network."""
        pid = self.inspect(name)["State"]["Pid"]
        command = ["nsenter", f"--net=/proc/{pid}/ns/net", *argv]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)

    def stop(self) -> None:
        """End the service; its containers go on."""
        process = identify(self.service.pid)
        if process:
            stop(process)
        self.service.wait()

    def address(self, name: str) -> str:
        shown = json.loads(self.inside(name, "ip", "-j", "-4", "address", "show", "eth0").stdout)
        return str(shown[0]["addr_info"][0]["local"])


def installed() -> bool:
    return bool(shutil.which("podman") and shutil.which("runc") and shutil.which("busybox"))


@contextmanager
def podman(host: Namespace, *, events: str = "file") -> Iterator[Podman]:
    """A service with an image of busybox; its containers and processes are gone at the end."""
    base = Path(tempfile.mkdtemp(prefix="np-podman-"))
    _network(base / "net")
    script = SERVICE.format(base=base, events=events)
    command = host.command("unshare", "--mount", "--propagation", "private", "sh", "-c", script)
    with (base / "log").open("w") as log:
        service = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    made = Podman(host, base, service)
    try:
        eventually(made.socket.exists, within_s=20)
        _image(made)
        yield made
    finally:
        with suppress(Exception):
            made.command("rm", "--all", "--force", "--time", "0")
        made.stop()
        eventually(lambda: _removed(base))


def _image(made: Podman) -> None:
    root = made.base / "image"
    (root / "bin").mkdir(parents=True)
    shutil.copy(shutil.which("busybox") or "busybox", root / "bin/busybox")
    for applet in ("sh", "sleep"):
        (root / "bin" / applet).symlink_to("busybox")
    archive = shutil.make_archive(str(made.base / "image"), "tar", root)
    made.command("import", archive, IMAGE)


def _network(directory: Path) -> None:
    """Podman's own default, without what needs iptables."""
    directory.mkdir()
    plugin = {
        "type": "bridge",
        "bridge": "cni-podman0",
        "isGateway": True,
        "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.88.0.0/16"}]]},
    }
    document = {"cniVersion": "0.4.0", "name": "podman", "plugins": [plugin]}
    (directory / "87-podman.conflist").write_text(json.dumps(document))


def _removed(base: Path) -> bool:
    """What ends of itself (conmon) may hold it for a moment."""
    shutil.rmtree(base, ignore_errors=True)
    hierarchies = [path for path in Path("/sys/fs/cgroup").glob(f"**/{base.name}") if path.is_dir()]
    for directory in hierarchies:
        for child in [*sorted(directory.rglob("*/"), reverse=True), directory]:
            with suppress(OSError):
                child.rmdir()
    return not base.exists() and not any(path.exists() for path in hierarchies)
