"""Who refers to whom, as records of their own: ``personas/voip/workloads/web``.

They are written in the very commit that writes what refers, so a prefix says at any time who uses something,
and a commit that removes it expects the prefix to be vacant.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from netpersona.control.store.protocol import (
    ABSENT,
    DOCUMENTS,
    REFERENCES,
    Check,
    Delete,
    Operation,
    Put,
    Record,
    Store,
    Vacant,
)
from netpersona.kinds.kind import Ref


def reference_key(ref: Ref, kind: str, name: str) -> str:
    """``kind`` and ``name`` are of what refers."""
    return f"{ref.kind}/{ref.name}/{kind}/{name}"


class References:
    def __init__(self, store: Store) -> None:
        self._store = store

    def users(self, kind: str, name: str, of: str | None = None) -> list[str]:
        """Names of what refers to a resource, in order; only those of one kind."""
        prefix = f"{kind}/{name}/{of}/" if of else f"{kind}/{name}/"
        found = self._store.list(REFERENCES, prefix=prefix)
        return [record.key[len(prefix) :] if of else record.key.split("/", 3)[3] for record in found]

    def all_users(self, kind: str, of: str) -> dict[str, list[str]]:
        """``users`` of every resource of a kind that has any, in one walk."""
        users: dict[str, list[str]] = {}
        for record in self._store.list(REFERENCES, prefix=f"{kind}/"):
            _, name, by, user = record.key.split("/", 3)
            if by == of:
                users.setdefault(name, []).append(user)
        return users

    def changes(
        self, kind: str, name: str, before: Iterable[Ref], after: Iterable[Ref]
    ) -> Iterator[Operation]:
        """What writes ``after`` in place of ``before``; what is new must be there when it is committed.

        References to documents stay until ``Contents.collect`` finds that they are out of date: a workload
        that is switched to and fro would write and remove the same ones.
        """
        old = {reference_key(ref, kind, name): ref for ref in before}
        new = {reference_key(ref, kind, name): ref for ref in after}
        for key in old.keys() - new.keys():
            if not new or old[key].kind != DOCUMENTS:
                yield Delete(REFERENCES, key)
        for key in new.keys() - old.keys():
            kept = self._store.get(REFERENCES, key)
            yield Check(REFERENCES, key, kept.revision) if kept else Put(REFERENCES, key, {}, ABSENT)
            if new[key].must_exist:
                yield from self._present(new[key])

    def unused(self, kind: str, name: str) -> Vacant:
        return Vacant(REFERENCES, f"{kind}/{name}/")

    def _present(self, ref: Ref) -> Iterator[Operation]:
        """Nothing where it is missing: whoever refers has said so, or writes it in the same commit."""
        found: Record | None = self._store.get(ref.kind, ref.name)
        if found is not None:
            yield Check(ref.kind, ref.name, found.revision)
