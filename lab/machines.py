"""Real virtual machines of libvirt in a lab's host: QEMU without acceleration, booting from the network.

There is no disk. The boot ROM (iPXE) asks for an address by DHCP as soon as it runs, so that a
machine sends real packets some two seconds after its start.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.instance import eventually
from lab.namespaces import Namespace
from netpersona.datapath.processes import identify, stop

# libvirtd as root has fixed directories: it gets its own mounts there, and its user without installing it.
SERVICE = """
set -e
for d in /run /var/lib/libvirt /var/cache/libvirt /var/log/libvirt /etc/libvirt; do
  mkdir -p $d; mount -t tmpfs none $d
done
mkdir -p /run/lock /etc/libvirt/qemu/networks/autostart; cp {base}/qemu.conf /etc/libvirt/
for f in passwd group; do mount --bind {base}/$f /etc/$f; done
mount -t sysfs none /sys
exec libvirtd --config {base}/libvirtd.conf --pid-file {base}/pid
"""
LIBVIRTD = """
unix_sock_group = "root"
unix_sock_dir = "{base}"
auth_unix_ro = "none"
auth_unix_rw = "none"
"""
QEMU = """
security_driver = "none"
user = "root"
group = "root"
remember_owner = 0
cgroup_controllers = [ ]
namespaces = [ ]
stdio_handler = "file"
"""
DOMAIN = """
<domain type='qemu'><name>{name}</name><memory unit='MiB'>64</memory><vcpu>1</vcpu>
  <os><type arch='x86_64' machine='pc'>hvm</type><boot dev='network'/></os>
  <devices>{nics}</devices>
</domain>
"""
NIC = """
<interface type='bridge'>
  <source bridge='{bridge}'/><mac address='{mac}'/><model type='virtio'/>
</interface>
"""


@dataclass(frozen=True)
class Libvirt:
    """A libvirtd; `connection` is the library's, which may change things."""

    base: Path
    bridge: str
    connection: Any

    @property
    def uri(self) -> str:
        return _uri(self.base, "libvirt-sock-ro")

    def define(self, name: str, *macs: str) -> Any:
        """A machine with a NIC for each MAC address; not started yet."""
        nics = "".join(NIC.format(bridge=self.bridge, mac=mac) for mac in macs)
        return self.connection.defineXML(DOMAIN.format(name=name, nics=nics))


def installed() -> bool:
    return bool(shutil.which("libvirtd") and shutil.which("qemu-system-x86_64"))


def _uri(base: Path, socket: str) -> str:
    return f"qemu+unix:///system?socket={base}/{socket}"


@contextmanager
def libvirt(host: Namespace, bridge: str) -> Iterator[Libvirt]:
    """A libvirtd whose machines are on the bridge; they and it are gone at the end."""
    import libvirt as library

    library.registerErrorHandler(lambda *_: None, None)
    base = Path(tempfile.mkdtemp(prefix="np-libvirt-"))
    _configure(base)
    script = SERVICE.format(base=base)
    command = host.command("unshare", "--mount", "--propagation", "private", "sh", "-c", script)
    with (base / "log").open("w") as log:
        service = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    try:
        eventually((base / "libvirt-sock").exists, within_s=20)
        connection = library.open(_uri(base, "libvirt-sock"))
        try:
            yield Libvirt(base, bridge, connection)
        finally:
            for domain in connection.listAllDomains():
                if domain.isActive():
                    domain.destroy()
            connection.close()
    finally:
        process = identify(service.pid)
        if process:
            stop(process)
        service.wait()
        shutil.rmtree(base, ignore_errors=True)


def _configure(base: Path) -> None:
    (base / "libvirtd.conf").write_text(LIBVIRTD.format(base=base))
    (base / "qemu.conf").write_text(QEMU)
    for name, entry in (
        ("passwd", "libvirt-qemu:x:64055:64055::/nonexistent:/usr/sbin/nologin\n"),
        ("group", "libvirt-qemu:x:64055:\n"),
    ):
        known = Path("/etc", name).read_text()
        (base / name).write_text(known if "libvirt-qemu:" in known else known + entry)
