"""The command that starts the virtual machine: QEMU without acceleration, in a network namespace of its own.

The NICs are joined in pairs, and to nothing else: a machine's packets never leave it.
"""

from __future__ import annotations

from pathlib import Path

MEMORY_MIB = 2048
CPUS = 1
"""Emulated, a second one costs more than it does."""

MODELS = {"e1000e": 1, "vmxnet3": 1, "virtio-net-pci": 4}
"""Two NICs of each, with so many queue pairs. Number NN of model MM has the address 02:00:00:00:MM:NN."""


WORDS = (
    "console=ttyS0 quiet panic=-1 net.ifnames=0"
    # Spares emulation: no guards against what an emulated processor does not have, the cheaper clock.
    " mitigations=off nokaslr tsc=reliable rcupdate.rcu_expedited=1"
)


def command(kernel: Path, initramfs: Path, kernel_files: Path, exchange: Path) -> list[str]:
    """What to run. `kernel_files` is shown as /lib/modules; `exchange` is shared both ways (see `init`)."""
    words = f"{WORDS} kernel_files={kernel_files}"
    arguments = [
        *(
            "-machine",
            "q35",
            "-accel",
            "tcg,thread=multi",
            "-cpu",
            "max,la57=off,erms=off,fsrm=off",
            "-smp",
            str(CPUS),
        ),
        *("-m", str(MEMORY_MIB), "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"),
        *("-seed", "7", "-object", "rng-builtin,id=rng", "-device", "virtio-rng-pci,rng=rng"),
        *("-kernel", str(kernel), "-initrd", str(initramfs), "-append", words),
        *("-serial", f"file:{exchange / 'kernel.log'}"),
        *("-chardev", "stdio,id=out,signal=off", "-device", "virtio-serial-pci"),
        *("-device", "virtserialport,chardev=out,nr=1"),
        *_share("files", Path("/"), "readonly=on"),
        *_share("exchange", exchange, "readonly=off"),
    ]
    for model, (name, queues) in enumerate(MODELS.items()):
        for number in (0, 1):
            arguments += _nic(name, queues, f"{model}{number}", f"02:00:00:00:{model:02x}:{number:02x}")
    alone = ["unshare", "--net", "setpriv", "--pdeathsig", "KILL"]
    return [*alone, "sh", "-c", _network(), "sh", "qemu-system-x86_64", *arguments]


def _share(tag: str, path: Path, access: str) -> list[str]:
    backend = f"local,id={tag},path={path},security_model=none,multidevs=remap,{access}"
    return ["-fsdev", backend, "-device", f"virtio-9p-pci,fsdev={tag},mount_tag={tag}"]


def _nic(name: str, queues: int, index: str, address: str) -> list[str]:
    tap = f"tap,id=nic{index},ifname=tap{index},script=no,downscript=no,queues={queues}"
    device = f"{name},netdev=nic{index},mac={address}"
    if queues > 1:
        device += f",mq=on,vectors={2 * queues + 2}"
    return ["-netdev", tap, "-device", device]


def _network() -> str:
    """Of only TAPs QEMU takes several queues. All of it goes with QEMU, the one process in the namespace."""
    lines = ["set -e", "sysctl -qw net.ipv6.conf.default.disable_ipv6=1"]
    for model, queues in enumerate(MODELS.values()):
        lines += [f"ip link add br{model} type bridge mcast_snooping 0", f"ip link set br{model} up"]
        for tap in (f"tap{model}0", f"tap{model}1"):
            kind = "mode tap vnet_hdr multi_queue" if queues > 1 else "mode tap vnet_hdr"
            lines += [f"ip tuntap add dev {tap} {kind}", f"ip link set {tap} master br{model} up"]
    return "\n".join([*lines, 'exec "$@"'])
