"""Resources of any kind: created, replaced, read, listed and deleted in the same way."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Generic, Protocol, TypeVar

from pydantic import BaseModel

from netpersona.control.documents import refused
from netpersona.control.identity.calls import OURS, Call
from netpersona.control.problems import Conflict, NotFound, Unprocessable
from netpersona.control.resources.context import Context
from netpersona.control.store.protocol import Delete, Operation, Put, Record
from netpersona.control.store.references import reference_key
from netpersona.kinds.documents import Document
from netpersona.kinds.errors import InvalidDocument
from netpersona.kinds.kind import Change, Kind, Ref, Resource, no_references
from netpersona.kinds.shown import brief

S = TypeVar("S", bound=BaseModel)
T = TypeVar("T", bound=BaseModel)
Value = Mapping[str, Any]
Plan = dict[str, Any]


class Own(Generic[T]):
    """What a kind has of its own on the manager; this one has nothing, and is what most kinds need."""

    def __init__(self, kind: Kind[Any, T]) -> None:
        self._kind = kind

    def keys(self, old: Record | None, document: Value) -> Value:  # noqa: ARG002
        """What is stored beside ``spec`` when it is written."""
        return {}

    def references(self, value: Value) -> Iterable[Ref]:  # noqa: ARG002
        """What a stored value refers to, besides its spec."""
        return ()

    def effects(self, old: Record | None, value: Value | None) -> Iterable[Operation]:  # noqa: ARG002
        """What else a commit changes that replaces ``old`` by ``value``, None being nothing."""
        return ()

    def states(self, records: Sequence[Record]) -> Sequence[T]:
        """What is shown of records and derived now, in bulk."""
        return [self._kind.state()] * len(records)


class Readable(Protocol[S, T]):
    """Resources that can be got and listed, wherever they are kept."""

    @property
    def kind(self) -> Kind[S, T]: ...

    def get(self, name: str) -> Resource[S, T]:
        """Raises NotFound."""

    def list(self, after: str = "", limit: int | None = None) -> Sequence[Resource[S, T]]:
        """In order of their names, those above ``after``."""


class Resources(Generic[S, T]):
    """All resources of a kind. Changes return the record, or the plan of a dry run."""

    def __init__(self, context: Context, kind: Kind[S, T], own: Own[T] | None = None) -> None:
        self.kind = kind
        self._context, self._store, self._references = context, context.store, context.references
        self._own = own or Own(kind)

    def find(self, name: str) -> Record | None:
        return self._store.get(self.kind.plural, name)

    def record(self, name: str) -> Record:
        """Raises NotFound."""
        record = self.find(name)
        if record is None:
            plural = self.kind.plural
            raise NotFound(
                f"there is no {self.kind.noun} {brief(name)}", remedy=f"GET /v1/{plural} lists them"
            )
        return record

    def get(self, name: str) -> Resource[S, T]:
        return self.resource(self.record(name))

    def list(self, after: str = "", limit: int | None = None) -> Sequence[Resource[S, T]]:
        return self.resources(self._store.list(self.kind.plural, after=after, limit=limit))

    def count(self) -> int:
        return len(self._store.list(self.kind.plural))

    def resource(self, record: Record) -> Resource[S, T]:
        return self.resources([record])[0]

    def resources(self, records: Sequence[Record]) -> Sequence[Resource[S, T]]:
        """As they are shown now."""
        states = self._own.states(records)
        return [self._resource(record, state) for record, state in zip(records, states, strict=True)]

    async def create(
        self, data: object, call: Call = OURS, *, default_name: str | None = None
    ) -> Record | Plan:
        """Stores what a document says, named ``default_name`` if it does not name itself.

        Raises:
            Unprocessable, Conflict: there is one of that name.
        """
        name, spec = self.read(data, default_name)
        if call.dry_run:
            self.new(name, spec)
            return self.plan(None, spec)
        return await self.commit(lambda: self.write(name, None, self.new(name, spec)))

    async def replace(self, name: str, data: object, call: Call = OURS) -> Record | Plan:
        """Stores what a document says in place of what is there, or anew.

        Raises:
            Unprocessable, PreconditionFailed, PreconditionRequired
        """
        named, spec = self.read(data, name)
        if named != name:
            raise Unprocessable(
                f"the document names {brief(named)}, the path {brief(name)}",
                remedy=f"write the same name in both; a {self.kind.noun} cannot be renamed",
                pointer=f"/{self.kind.id_key}",
            )
        if call.dry_run:
            old = self._replaced(name, call)
            self.value(old, spec)
            return self.plan(self.spec(old) if old else None, spec)

        def prepare() -> Sequence[Operation]:
            old = self._replaced(name, call)
            return self.write(name, old, self.value(old, spec))

        return await self.commit(prepare)

    async def delete(self, name: str, call: Call = OURS) -> Plan | None:
        """Removes it.

        Raises:
            NotFound, PreconditionFailed, Conflict: something refers to it.
        """
        if call.dry_run:
            return self.plan(self.spec(self._deleted(name, call)), None)
        await self._context.commit(lambda: self._erase(self._deleted(name, call)))
        return None

    async def commit(self, prepare: Callable[[], Sequence[Operation]]) -> Record:
        """A commit whose first operation puts the record."""
        return (await self._context.commit(prepare))[0].record

    def read(self, data: object, default_name: str | None = None) -> tuple[str, S]:
        """Name and spec of a document that can be enforced. Raises Unprocessable."""
        document = data if isinstance(data, Document) else None
        try:
            name, spec = self.kind.read(document.data if document else data, default_name)
            self.kind.check(spec)
        except InvalidDocument as error:
            raise refused(self.kind, error.problems, document) from None
        return name, spec

    def spec(self, record: Record) -> S:
        return self.kind.read(record.value["spec"], record.key)[1]

    def new(self, name: str, spec: S) -> Value:
        """What is stored of a new one. Raises Conflict."""
        if self.find(name):
            raise Conflict(
                f"{self.kind.noun} {name} exists",
                remedy=f"PUT /v1/{self.kind.plural}/{{{self.kind.id_key}}} replaces it",
                pointer=f"/{self.kind.id_key}",
            )
        return self.value(None, spec)

    def value(self, old: Record | None, spec: S) -> Value:
        """What is stored of a spec. Raises Unprocessable: it refers to what is not there."""
        for ref in self.kind.references(spec):
            if ref.must_exist and self._store.get(ref.kind, ref.name) is None:
                raise Unprocessable(f"there is none of {ref.kind} called {brief(ref.name)}")
        document, now = self.kind.write(spec), self._context.now()
        kept = old.value if old else {"created_at": now}
        return {**kept, "spec": document, **self._own.keys(old, document), "updated_at": now}

    def write(self, name: str, old: Record | None, value: Value) -> Sequence[Operation]:
        """Puts ``value`` in place of ``old``, with its references and effects."""
        same = old is not None and old.value["spec"] is value["spec"]
        before = self._referred(old.value, same=same) if old else ()
        after = self._referred(value, same=same)
        changes = self._references.changes(self.kind.plural, name, before, after)
        put = Put(self.kind.plural, name, value, old.revision if old else 0)
        return [put, *changes, *self._own.effects(old, value)]

    def references(self) -> Iterator[str]:
        """Keys of what all of them refer to, worked out anew."""
        for record in self._store.list(self.kind.plural):
            for ref in self._referred(record.value):
                yield reference_key(ref, self.kind.plural, record.key)

    def plan(self, before: S | None, after: S | None) -> Plan:
        return plan(self.kind.plan(before, after))

    def _replaced(self, name: str, call: Call) -> Record | None:
        old = self.find(name)
        call.condition.check(old.revision if old else 0, required=True)
        return old

    def _deleted(self, name: str, call: Call) -> Record:
        record = self.record(name)
        call.condition.check(record.revision)
        users = self._references.users(self.kind.plural, name)
        if users:
            raise Conflict(
                f"{self.kind.noun} {name} is in use by {brief(', '.join(users), 300)}",
                remedy="release or change what uses it first",
            )
        return record

    def _erase(self, record: Record) -> Sequence[Operation]:
        kind, name = record.kind, record.key
        gone = self._references.changes(kind, name, self._referred(record.value), ())
        unused = self._references.unused(kind, name)
        return [Delete(kind, name, record.revision), unused, *gone, *self._own.effects(record, None)]

    def _referred(self, value: Value, *, same: bool = False) -> Iterable[Ref]:
        """``same``: the spec did not change, so what it refers to need not be found out."""
        if not same and self.kind.references is not no_references:
            yield from self.kind.references(self.kind.read(value["spec"], "any")[1])
        yield from self._own.references(value)

    def _resource(self, record: Record, state: T) -> Resource[S, T]:
        value = record.value
        moments = value.get("created_at"), value.get("updated_at")
        return Resource(self.kind, record.key, value["spec"], state, record.revision, *moments)


def plan(changes: Sequence[Change]) -> Plan:
    """What a dry run answers."""
    return {"dry_run": True, "changes": [asdict(change) for change in changes]}
