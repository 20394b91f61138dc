"""The manager that the global options name, and its errors in the words of a command line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from netpersona.cli.errors import CliError, in_commands, unknown_name
from netpersona.cli.tokens import made_token, named_token
from netpersona.client import ApiError, BadAddress, Denied, Unreachable

if TYPE_CHECKING:
    import httpx2
    import typer
    from pydantic import BaseModel

    from netpersona.client import Client
    from netpersona.kinds.kind import Kind, Resource

S = TypeVar("S", bound="BaseModel")
T = TypeVar("T", bound="BaseModel")

DEFAULT_RUN_DIR = Path("/run/netpersona")
DEFAULT_STATE_DIR = Path("/var/lib/netpersona")
DEFAULT_LISTEN = "127.0.0.1:8470"
TIMEOUT_S = 10.0


@dataclass(frozen=True)
class Settings:
    """The global options. `server` is `unix:PATH` or an http(s) URL; None: the Unix socket in `run_dir`."""

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
    def token(self) -> str | None:
        """The token asked for; over TCP the one the manager of this machine wrote, if it may be read."""
        if self.token_file is not None:
            return named_token(self.token_file)
        if self.address.startswith("unix:"):
            return None
        return made_token(self.state_dir / "manager" / "token")


def settings_of(ctx: typer.Context) -> Settings:
    return cast(Settings, ctx.find_root().obj)


@contextmanager
def connect(settings: Settings, timeout_s: float = TIMEOUT_S) -> Iterator[Client]:
    """Ask the manager; whatever it raises meanwhile names our options. Raises CliError, ClientError."""
    from netpersona.client import Client

    try:
        with Client(
            settings.address, settings.token, timeout_s=timeout_s, transport=settings.transport
        ) as client:
            yield client
    except BadAddress as error:
        raise CliError(f"--server {error.message}", error.remedy) from error
    except Denied as error:
        error.remedy = "use sudo, or --server http://HOST:PORT with --token-file FILE"
        raise
    except Unreachable as error:
        error.remedy = "check --server" if error.remedy == "check the address" else error.remedy
        raise
    except ApiError as error:
        if error.status == 401:
            error.remedy = "name the file that holds it with --token-file; `netpersona up` says where it is"
        in_commands(error)
        raise


def names(api: Client, kind: Kind[Any, Any]) -> list[str]:
    return [resource.name for resource in api.all(kind)]


def get_known(api: Client, kind: Kind[S, T], name: str) -> Resource[S, T]:
    """One resource; an unknown name is answered with the nearest one that exists."""
    found = api.find(kind, name)
    if found is None:
        raise unknown(api, kind, name)
    return found


def unknown(api: Client, kind: Kind[Any, Any], name: str) -> CliError:
    return unknown_name(kind.noun, name, names(api, kind), f"netpersona get {kind.plural}")
