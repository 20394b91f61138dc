"""Personas: every change makes a new revision; the newest are kept, and each is immutable."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from netpersona.control.resources.context import Context
from netpersona.control.resources.generic import Own, Resources, Value
from netpersona.control.store.protocol import ARCHIVE, Delete, Operation, Put, Record
from netpersona.control.store.stored import PersonaRef, digest_of
from netpersona.kinds.persona import Persona
from netpersona.kinds.persona.kind import PERSONA, PersonaState

REVISIONS_BOUND: Final = 16
"""Older revisions kept of each persona, for assignments that name one; workloads keep what they wear."""


WRITTEN_FOR: Final = "written_for"
"""Key of a stored persona: the workload that it was written for, as ``actions/requirements.py`` does."""


class _Own(Own[PersonaState]):
    """A stored persona has the digest of its spec and an edition: its revisions, counted from 1."""

    def __init__(self, context: Context) -> None:
        super().__init__(PERSONA)
        self._store, self._references = context.store, context.references

    def keys(self, old: Record | None, document: Value) -> Value:
        """One that a person replaces is hers: it is not retired."""
        edition = old.value["edition"] + 1 if old else 1
        return {"digest": digest_of(document), "edition": edition, WRITTEN_FOR: None}

    def effects(self, old: Record | None, value: Value | None) -> Iterable[Operation]:
        """What is replaced goes to the archive, where the oldest makes room; all goes with the persona."""
        if old is None:
            return
        kept = self._store.list(ARCHIVE, prefix=_prefix(old.key))
        if value is None:
            yield from (Delete(ARCHIVE, record.key) for record in kept)
            return
        yield Put(ARCHIVE, _key(old.key, old.revision), {key: old.value[key] for key in ("spec", "digest")})
        yield from (Delete(ARCHIVE, record.key) for record in kept[: max(0, len(kept) - REVISIONS_BOUND + 1)])

    def states(self, records: Sequence[Record]) -> Sequence[PersonaState]:
        if len(records) == 1:
            name = records[0].key
            users = {name: self._references.users("personas", name, "workloads")}
        else:
            users = self._references.all_users("personas", "workloads")
        return [
            PersonaState(in_use_by=tuple(users.get(r.key, ())), written_for=r.value.get(WRITTEN_FOR))
            for r in records
        ]


class Personas(Resources[Persona, PersonaState]):
    def __init__(self, context: Context) -> None:
        super().__init__(context, PERSONA, _Own(context))

    def revision(self, name: str, revision: int) -> Mapping[str, Any] | None:
        """The document of a revision, if it is still kept."""
        found = self._at(name, revision)
        return found.value["spec"] if found else None

    def reference(self, name: str, revision: int | None = None) -> PersonaRef | None:
        """The newest revision, to follow; or one that is kept, pinned."""
        if revision is None:
            found = self.find(name)
            return _reference(found, follows=True) if found else None
        found = self._at(name, revision)
        return _reference(found, name=name, revision=revision) if found else None

    def newest(self, persona: PersonaRef) -> PersonaRef:
        """What a reference stands for now; it stands for itself where it is pinned."""
        return (self.reference(persona.persona_id) or persona) if persona.follows else persona

    def before(self, persona: PersonaRef) -> PersonaRef | None:
        """The revision that the newest one replaced, pinned."""
        kept = self._store.list(ARCHIVE, prefix=_prefix(persona.persona_id))
        if not kept:
            return None
        return _reference(kept[-1], name=persona.persona_id, revision=int(kept[-1].key.rpartition("@")[2]))

    def _at(self, name: str, revision: int) -> Record | None:
        newest = self.find(name)
        if newest is not None and newest.revision == revision:
            return newest
        return self._store.get(ARCHIVE, _key(name, revision))


def _reference(
    record: Record, *, name: str | None = None, revision: int | None = None, follows: bool = False
) -> PersonaRef:
    edition = record.value["edition"] if follows else 0
    digest = record.value["digest"]
    return PersonaRef(name or record.key, revision or record.revision, digest, follows, edition)


def _prefix(name: str) -> str:
    """'@' is in no name."""
    return f"personas/{name}@"


def _key(name: str, revision: int) -> str:
    """Sorts by revision within a persona."""
    return f"{_prefix(name)}{revision:020d}"
