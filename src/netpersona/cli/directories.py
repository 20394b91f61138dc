"""Directories of ours: marked, locked, and never emptied of anything but what we make.

A mark is a file of root's in the directory; it is the lock of `up` and `down` as well, because only root may
open it. Without one, a directory is taken only if it is empty or holds nothing but names that we give,
as earlier releases left it. Whoever could write to a directory above it could put another in its place,
so those must be root's alone, too.
"""

from __future__ import annotations

import fcntl
import json
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from netpersona.cli.errors import CliError

MARK = ".netpersona"
_OTHERS = stat.S_IWGRP | stat.S_IWOTH
_REMEDY = "name one of its own with --run-dir and --state-dir"

Known = Mapping[str, "Known | None"]
"""Names that we give in a directory, each with those below it; None is a file."""
Say = Callable[[str], None]
_MARKED = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC


def _silent(_: str) -> None:
    return


class Foreign(CliError):
    """A directory that is not ours to use, let alone to remove."""

    def __init__(self, directory: Path, why: str, remedy: str = _REMEDY) -> None:
        super().__init__(f"{directory} is not netpersona's: {why}", remedy)


def is_ours(directory: Path, known: Known) -> bool:
    """False where there is nothing of ours: no such directory, or an empty one. Raises Foreign."""
    try:
        held = {entry.name for entry in directory.iterdir()}
    except FileNotFoundError:
        return False
    except NotADirectoryError:
        raise Foreign(directory, "it is a file") from None
    _only_root_writes(directory)
    if MARK in held:
        return True
    if strange := sorted(held - set(known)):
        raise Foreign(directory, f"it holds {_some(strange)}")
    return bool(held)


@contextmanager
def claimed(directory: Path, known: Known, say: Say = _silent, *, make: bool = True) -> Iterator[Claim]:
    """The directory, made where it is missing, marked, and locked against every other `up` and `down`.

    Raises Foreign; FileNotFoundError where it is missing and not to be made. One that was made here and holds
    nothing but the mark when what is done with it fails is removed again.
    """
    while True:
        made = make and _make(directory)
        try:
            is_ours(directory, known)
            descriptor = os.open(directory / MARK, _MARKED, 0o600)
        except FileNotFoundError:
            if make:
                continue
            raise
        finally:
            if made:
                _drop(directory)  # only if we were interrupted before it was marked
        with closing(Claim(directory, known, descriptor)) as claim:
            claim.lock(say)
            # A `down` that held the lock before us has removed the mark that we opened.
            if claim.holds():
                try:
                    yield claim
                except BaseException:
                    if made:
                        claim.abandon()
                    raise
                return


class Claim:
    """A directory while its lock is held."""

    def __init__(self, directory: Path, known: Known, descriptor: int) -> None:
        self._directory = directory
        self._known = known
        self._mark = descriptor

    def lock(self, say: Say) -> None:
        try:
            fcntl.flock(self._mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for another `up` or `down` of {self._directory}")
            fcntl.flock(self._mark, fcntl.LOCK_EX)

    def holds(self) -> bool:
        """Whether what is locked is still what the directory is marked with."""
        try:
            return os.path.samestat(os.fstat(self._mark), os.lstat(self._directory / MARK))
        except FileNotFoundError:
            return False

    def close(self) -> None:
        os.close(self._mark)

    def read(self) -> dict[str, Any]:
        """What was noted in the mark; {} where nothing was, or it is damaged."""
        try:
            noted = json.loads(os.pread(self._mark, 1 << 16, 0))
        except ValueError:
            return {}
        return noted if isinstance(noted, dict) else {}

    def note(self, **noted: object) -> None:
        """Write it into the mark."""
        content = json.dumps(noted).encode() + b"\n"
        os.ftruncate(self._mark, 0)
        os.pwrite(self._mark, content, 0)

    def abandon(self) -> None:
        """Remove it if it holds nothing but the mark."""
        if self.holds() and {entry.name for entry in self._directory.iterdir()} == {MARK}:
            (self._directory / MARK).unlink()
            _drop(self._directory)

    def remove(self, say: Say) -> None:
        """Delete what has a name of ours, and the directory if nothing else is in it; say what is kept."""
        descriptor = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            left = _empty(descriptor, {**self._known, MARK: None}, keep=MARK)
            if not left:
                os.unlink(MARK, dir_fd=descriptor)
        finally:
            os.close(descriptor)
        if left:
            say(f"kept {self._directory}: it holds {_some(left)}, which netpersona did not make")
        else:
            _drop(self._directory)


def _empty(descriptor: int, known: Known, keep: str | None = None) -> list[str]:
    """Unlink what is known below an open directory, following no link; what is left."""
    left = []
    for name in sorted(os.listdir(descriptor)):
        below = known.get(name)
        if name == keep:
            continue
        if name not in known:
            left.append(name)
        elif below is None:
            left += _unlinked(descriptor, name)
        else:
            left += [f"{name}/{inner}" if inner else name for inner in _emptied(descriptor, name, below)]
    return left


def _unlinked(descriptor: int, name: str) -> list[str]:
    try:
        os.unlink(name, dir_fd=descriptor)
    except IsADirectoryError:
        return [name]
    return []


def _emptied(descriptor: int, name: str, known: Known) -> list[str]:
    """Remove a directory that is known; what is left in it, or [""] if it is none."""
    try:
        inner = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=descriptor)
    except OSError:  # a link, or a file
        return [""]
    try:
        left = _empty(inner, known)
    finally:
        os.close(inner)
    if not left:
        os.rmdir(name, dir_fd=descriptor)
    return left


def _make(directory: Path) -> bool:
    """Whether it was not there."""
    _only_root_writes(directory)
    try:
        directory.mkdir(mode=0o755, parents=True)
    except FileExistsError:
        return False
    return True


def _drop(directory: Path) -> None:
    """Remove it if it is empty: another `up` may have begun in it."""
    try:
        directory.rmdir()
    except OSError:
        return


def _only_root_writes(directory: Path) -> None:
    for path in (directory, *directory.parents):
        try:
            found = path.stat()
        except FileNotFoundError:
            continue
        # In a sticky directory, such as /tmp, nobody moves what is another's.
        shared = path != directory and found.st_mode & stat.S_ISVTX
        if found.st_uid != 0 or (found.st_mode & _OTHERS and not shared):
            raise Foreign(
                directory,
                f"others than root may write to {path}",
                f"name one where only root writes, or `chown root {path}; chmod go-w {path}`",
            )


def _some(names: list[str]) -> str:
    shown = ", ".join(names[:3])
    return f"{shown} and {len(names) - 3} more" if len(names) > 3 else shown
