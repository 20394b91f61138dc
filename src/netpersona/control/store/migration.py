"""From earlier formats of the store to format 3, in one transaction.

Format 1 kept in every assignment the documents of its personas. Since format 2 documents are kept once, by
content, assignments name them, and the spec of each record is below ``spec``. What was told to watches before
is forgotten: they list again. Format 2 kept references, which format 3 derives at each start.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from typing import Any

import structlog

from netpersona.control.store.protocol import ARCHIVE, DOCUMENTS
from netpersona.control.store.stored import Assigned, Assignment, PersonaRef, digest_of
from netpersona.kinds.shown import brief
from netpersona.kinds.verification import VerificationRequest, VerificationState
from netpersona.kinds.workload import WORKLOAD, WorkloadSpec

_Row = tuple[str, str, int, dict[str, Any]]
_log = structlog.get_logger(__name__)


def migrate(connection: sqlite3.Connection, to: int) -> None:
    """Rewrites a file of format 1 or 2; leaves any other as it is. Killed at any moment, it changed nothing.

    Raises:
        ValueError: a record is not as format 1 has it.
    """
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version not in (1, 2):
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        _rewrite(connection) if version == 1 else _strike_references(connection)
        connection.execute(f"PRAGMA user_version = {to}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    _log.info("the store was brought to a newer format", was=version, now=to)


def _rewrite(connection: sqlite3.Connection) -> None:
    (newest,) = connection.execute("SELECT ifnull(max(revision), 0) FROM events").fetchone()
    rows = [(*row[:3], json.loads(row[3])) for row in connection.execute("SELECT * FROM records")]
    connection.execute("DELETE FROM records")
    connection.execute("DELETE FROM events")
    for kind, key, revision, value in _Migration(rows, newest).rows():
        text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
        connection.execute("INSERT INTO records VALUES (?, ?, ?, ?)", (kind, key, revision, text))
    if newest:
        connection.execute("INSERT INTO events VALUES (?, 'START', '', '', 'null')", (newest,))


def _strike_references(connection: sqlite3.Connection) -> None:
    """Their revisions are not given again."""
    (newest,) = connection.execute("SELECT max(revision) FROM records").fetchone()
    if newest is not None:
        connection.execute("INSERT OR IGNORE INTO events VALUES (?, 'START', '', '', 'null')", (newest,))
    connection.execute("DELETE FROM records WHERE kind = 'references'")


class _Migration:
    """All records of a store; ``newest`` is the revision of what is added."""

    def __init__(self, rows: list[_Row], newest: int) -> None:
        self._rows, self._newest = rows, newest
        self._personas = {key: revision for kind, key, revision, _ in rows if kind == "personas"}
        self._documents: dict[str, Mapping[str, Any]] = {}

    def rows(self) -> Iterator[_Row]:
        for kind, key, revision, value in self._rows:
            try:
                yield from self._record(kind, key, revision, value)
            except (KeyError, TypeError, AttributeError, ValueError) as error:
                said = brief(repr(error), 200)
                raise ValueError(f"{kind}/{key} is not as the release before wrote it: {said}") from error
        for digest, document in self._documents.items():
            yield DOCUMENTS, digest, self._newest, dict(document)

    def _record(self, kind: str, key: str, revision: int, value: dict[str, Any]) -> Iterator[_Row]:
        if kind == "personas":
            yield kind, key, revision, {**value, "digest": digest_of(value["spec"]), "edition": 1}
        elif kind == "persona_revisions":
            yield ARCHIVE, f"personas/{key}", revision, {**value, "digest": digest_of(value["spec"])}
        elif kind == "verifications":
            asked = {name: value.pop(name) for name in VerificationRequest.model_fields if name in value}
            spec = VerificationRequest.model_validate(asked).model_dump(mode="json")
            state = VerificationState.model_validate(value).model_dump(mode="json", exclude={"position"})
            yield kind, key, revision, {"spec": spec, **state}
        elif kind == "workloads":
            yield from self._workload(key, revision, value)

    def _workload(self, key: str, revision: int, value: dict[str, Any]) -> Iterator[_Row]:
        assignment = self._assignment(value)
        spec = WorkloadSpec.model_validate(value["spec"])
        yield "workloads", key, revision, assignment.put({"spec": WORKLOAD.write(spec)})

    def _assignment(self, value: dict[str, Any]) -> Assignment:
        worn, previous = value["assignment"], value["previous"]
        assigned = worn and Assigned(
            self._persona(worn),
            worn["assigned_at"],
            worn["expires_at"],
            worn["fallback"] and self._persona(worn["fallback"]),
            worn.get("anew", True),
        )
        before = previous and self._persona({**previous, "follows": False})
        return Assignment(int(value["sequence"]), assigned, before)

    def _persona(self, worn: dict[str, Any]) -> PersonaRef:
        """Following as before, unless what was worn is not the newest: then nothing changes by itself."""
        name, revision, digest = worn["persona_id"], worn["persona_revision"], digest_of(worn["persona"])
        if worn["follows"] and self._personas.get(name) == revision:
            return PersonaRef(name, revision, digest, follows=True, edition=1)
        self._documents[digest] = worn["persona"]
        return PersonaRef(name, revision, digest)
