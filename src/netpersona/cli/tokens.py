"""Bearer tokens in files: one a line, `#` starts a comment; the first is ours to send."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from netpersona.cli.errors import CliError

BOUND_BYTES = 1 << 16


def named_token(path: Path) -> str:
    """The first token in a file that a person named; it may be a pipe. Raises CliError."""
    try:
        with path.open("rb") as file:
            token = _first(file.read(BOUND_BYTES))
    except OSError as error:
        raise CliError(
            f"cannot read the token file {path}: {error.strerror or error}",
            "name a readable file with --token-file",
        ) from error
    if token is None:
        raise CliError(
            f"the token file {path} holds no token",
            "write the token alone on a line, as `netpersona up` does",
        )
    return token


def made_token(path: Path) -> str | None:
    """The first token in the file that a manager made, or None.

    The directory is the manager's, and whoever broke into it may have put anything there: root follows no
    link, waits at no pipe, and takes no file that has a second name or another owner than its directory.
    """
    try:
        directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        descriptor = os.open(path.name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=directory)
    except OSError:
        return None
    else:
        try:
            if _is_made(os.fstat(descriptor), os.fstat(directory)):
                return _first(os.read(descriptor, BOUND_BYTES))
        finally:
            os.close(descriptor)
    finally:
        os.close(directory)
    return None


def _is_made(file: os.stat_result, directory: os.stat_result) -> bool:
    return stat.S_ISREG(file.st_mode) and file.st_nlink == 1 and file.st_uid == directory.st_uid


def _first(content: bytes) -> str | None:
    """Visible ASCII only: a header holds nothing else (RFC 6750 section 2.1)."""
    for line in content.decode(errors="replace").splitlines():
        token = line.partition("#")[0].strip()
        if token:
            return token if token.isascii() and token.isprintable() and " " not in token else None
    return None
