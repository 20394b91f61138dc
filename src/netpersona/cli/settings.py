"""Where the manager is and where state lives: the global options, resolved once per command."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    import httpx2
    import typer

DEFAULT_RUN_DIR = Path("/run/netpersona")
DEFAULT_STATE_DIR = Path("/var/lib/netpersona")
DEFAULT_LISTEN = "127.0.0.1:8470"


@dataclass(frozen=True)
class Settings:
    """`server` is `unix:PATH` or an http(s) URL; None means the Unix socket in `run_dir`."""

    server: str | None = None
    token_file: Path | None = None
    run_dir: Path = DEFAULT_RUN_DIR
    state_dir: Path = DEFAULT_STATE_DIR
    transport: httpx2.BaseTransport | None = None
    """Answers requests instead of the network; tests pass one."""

    @property
    def address(self) -> str:
        return self.server or f"unix:{self.run_dir / 'api.sock'}"

    @property
    def socket(self) -> Path | None:
        """The Unix socket to speak to, or None when the manager is reached over TCP."""
        prefix, _, path = self.address.partition(":")
        return Path(path) if prefix == "unix" and path else None


def settings_of(ctx: typer.Context) -> Settings:
    return cast(Settings, ctx.find_root().obj)
