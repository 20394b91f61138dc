"""The manager that the global options name, and its errors in the words of a command line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from netpersona.cli.errors import CliError, unknown_name
from netpersona.cli.settings import Settings
from netpersona.cli.tokens import made_token, named_token
from netpersona.client import ApiError, BadAddress, Denied, Unreachable

if TYPE_CHECKING:
    from netpersona.client import Client
    from netpersona.client.calls import JsonObject


@contextmanager
def connect(settings: Settings, timeout_s: float = 10.0) -> Iterator[Client]:
    """Ask the manager; whatever is raised of it meanwhile names our options. Raises CliError, ClientError."""
    from netpersona.client import Client

    try:
        with Client(
            settings.address, _token(settings), timeout_s=timeout_s, transport=settings.transport
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
        raise


def _token(settings: Settings) -> str | None:
    """The token asked for; over TCP the one the manager of this machine wrote, if it may be read."""
    if settings.token_file is not None:
        return named_token(settings.token_file)
    if settings.address.startswith("unix:"):
        return None
    return made_token(settings.state_dir / "manager" / "token")


def name_of(collection: str, resource: Mapping[str, Any]) -> str:
    from netpersona.client.calls import id_key

    return str(resource[id_key(collection)])


def names(api: Client, collection: str) -> list[str]:
    return [name_of(collection, resource) for resource in api.all(collection)]


def get_known(api: Client, collection: str, name: str) -> JsonObject:
    """One resource; an unknown name is answered with the nearest one that exists."""
    found = api.find(collection, name)
    if found is None:
        raise unknown(api, collection, name)
    return found


def unknown(api: Client, collection: str, name: str) -> CliError:
    noun = collection.removesuffix("s")
    return unknown_name(noun, name, names(api, collection), f"netpersona get {collection}")
