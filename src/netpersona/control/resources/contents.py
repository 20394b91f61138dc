"""Documents that assignments pin, kept once each by their content."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any, Final

from netpersona.control.resources.context import Context
from netpersona.control.resources.personas import Personas
from netpersona.control.resources.presets import preset
from netpersona.control.store.protocol import (
    ABSENT,
    DOCUMENTS,
    REFERENCES,
    Check,
    CommitConflict,
    Delete,
    Operation,
    Put,
    Record,
)
from netpersona.control.store.stored import Assignment, PersonaRef, digest_of

COLLECT_EVERY_S: Final = 60.0

Document = Mapping[str, Any]


class Contents:
    """Where the document of a reference is, and what keeps it there."""

    def __init__(self, context: Context, personas: Personas) -> None:
        self._store, self._references, self._personas = context.store, context.references, personas

    def document(self, persona: PersonaRef) -> Document:
        """Of a reference as it is now (``Personas.newest``)."""
        kept = self._store.get(DOCUMENTS, persona.digest)
        if kept is not None:
            return kept.value
        found = self._personas.revision(persona.persona_id, persona.revision)
        if found is None and not persona.revision:
            found = preset(persona.persona_id)
        return found if found is not None else {"persona_id": persona.persona_id}

    def kept(self, assignment: Assignment) -> Iterator[Operation]:
        """Puts what the assignment pins and is not kept yet; checks of the rest come with its references."""
        pinned = {ref.name for ref in assignment.references() if ref.kind == DOCUMENTS}
        for persona in _personas_of(assignment):
            if persona.digest in pinned and self._store.get(DOCUMENTS, persona.digest) is None:
                pinned.discard(persona.digest)
                yield Put(DOCUMENTS, persona.digest, self.document(persona), ABSENT)

    async def collect(self) -> int:
        """Removes documents that nobody wears, wore or falls back to; returns how many.

        In small commits, each of which expects that meanwhile nobody has taken up what it removes.
        """
        removed = 0
        for document in list(self._store.list(DOCUMENTS)):
            await self._forget_outdated(document.key)
            if not self._references.users(DOCUMENTS, document.key):
                unused = self._references.unused(DOCUMENTS, document.key)
                removed += await self._try(unused, Delete(DOCUMENTS, document.key, document.revision))
        return removed

    async def _forget_outdated(self, digest: str) -> None:
        for reference in self._store.list(REFERENCES, prefix=f"{DOCUMENTS}/{digest}/"):
            user = self._store.get("workloads", reference.key.rpartition("/")[2])
            if user is None or not _refers(user, digest):
                same = Check("workloads", reference.key.rpartition("/")[2], user.revision if user else ABSENT)
                await self._try(same, Delete(REFERENCES, reference.key, reference.revision))

    async def _try(self, *operations: Operation) -> bool:
        try:
            await self._store.commit(operations)
        except CommitConflict:
            return False  # somebody has just begun to use it
        return True


def _refers(workload: Record, digest: str) -> bool:
    found = Assignment.of(workload.value).references()
    return any(ref.kind == DOCUMENTS and ref.name == digest for ref in found)


def _personas_of(assignment: Assignment) -> Iterable[PersonaRef]:
    worn = assignment.assigned
    found = (worn.persona, worn.fallback, assignment.previous) if worn else (assignment.previous,)
    return (persona for persona in found if persona is not None)


@cache
def preset_reference(name: str) -> PersonaRef | None:
    """A preset, pinned as it is now."""
    shipped = preset(name)
    return PersonaRef(name, 0, digest_of(shipped)) if shipped is not None else None
