"""A kind: a type of resource, declared once.

From a declaration come its routes and store records (``control/``), its client calls, and its tables,
``describe``, completion and ``apply`` (``cli/``). ``registry.KINDS`` lists all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, Final, Generic, Literal, TypeVar

from pydantic import BaseModel

from netpersona.kinds.base import Told
from netpersona.kinds.reading import Read

S = TypeVar("S", bound=BaseModel)
T = TypeVar("T", bound=BaseModel)
Json = Mapping[str, Any]

Label = Literal["live", "reinit", "flap"]
Verb = Literal["create", "replace", "delete", "watch"]
WRITTEN: Final[frozenset[Verb]] = frozenset({"create", "replace", "delete", "watch"})
"""The verbs of a kind that people write; what there is at all can be got and listed."""
ENVELOPE: Final = ("revision", "created_at", "updated_at")
"""Keys of a resource that are about the record, not about what it says."""


@dataclass(frozen=True, slots=True)
class Change:
    """One key that changes. `before` and `after` are as in the canonical document, None where absent.

    An entry that is added to a list, or removed, is one change: the whole entry.
    """

    pointer: str
    before: Any
    after: Any
    label: Label
    """live: no packet notices; reinit: the NIC sets up queues anew; flap: the link goes down meanwhile."""


@dataclass(frozen=True, slots=True)
class Ref:
    """A spec names another resource, by the plural of its kind.

    `must_exist`: a commit with this reference is refused where there is no such resource, and what is
    referred to is not deleted. Otherwise it only says who belongs to whom, as a workload to its host.
    """

    kind: str
    name: str
    must_exist: bool = True


@dataclass(frozen=True)
class Resource(Generic[S, T]):
    """One resource, the same value in manager, agent and terminal.

    `document` is its spec as canonical JSON, `state` what the product adds. `revision` is opaque (it only
    rises), 0 for what no store holds. `parent` names what it belongs to, where its kind has `within`.
    """

    kind: Kind[S, T]
    name: str
    document: Json
    state: T
    revision: int = 0
    created_at: str | None = None
    updated_at: str | None = None
    parent: str = ""

    @cached_property
    def spec(self) -> S:
        """Raises InvalidDocument where the manager is newer than who reads."""
        return self.kind.read(self.document, self.name)[1]

    @property
    def reference(self) -> str:
        """As `-o name` prints it."""
        return f"{self.kind.noun}/{self.name}"


@dataclass(frozen=True, slots=True)
class Section:
    """A part of what `describe` shows: fields, then a table (headings first), then text."""

    heading: str
    fields: tuple[tuple[str, str], ...] = ()
    table: tuple[tuple[str, ...], ...] = ()
    text: str = ""


@dataclass(frozen=True, slots=True)
class Column(Generic[S, T]):
    """A column of the table that `get` prints; the present is passed to `cell`."""

    heading: str
    cell: Callable[[Resource[S, T], datetime], str]


class Nothing(Told):
    """The state of a kind to which the product adds nothing."""


def whole_document(before: BaseModel | None, after: BaseModel | None) -> list[Change]:
    """A plan by top-level keys, all of them live."""
    return keys_of(before, after, "live")


def keys_of(before: BaseModel | None, after: BaseModel | None, label: Label) -> list[Change]:
    """A plan by top-level keys that gives each change the same label."""
    old, new = (spec.model_dump(mode="json") if spec else {} for spec in (before, after))
    changed = [key for key in {**old, **new} if old.get(key) != new.get(key)]
    return [Change(f"/{key}", old.get(key), new.get(key), label) for key in changed]


def nothing_to_say(_: Any) -> tuple[str, ...]:
    return ()


def no_references(_: Any) -> tuple[Ref, ...]:
    return ()


def plain(spec: BaseModel) -> dict[str, Any]:
    """The canonical document of a spec without abbreviations."""
    return spec.model_dump(mode="json")


def shallow(value: BaseModel) -> dict[str, Any]:
    """The JSON of a model whose plain values are JSON already: documents in it are not copied."""
    extra = value.__pydantic_extra__ or {}
    return {key: _json(item) for key, item in (value.__dict__ | extra).items()}


def _json(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return shallow(value)
    return [_json(item) for item in value] if isinstance(value, (tuple, list)) else value


def _fields(resource: Resource[Any, Any], _now: datetime) -> tuple[Section, ...]:
    shown = {key: value for key, value in resource.document.items() if value is not None}
    fields = tuple((key.replace("_", " "), str(value)) for key, value in shown.items())
    return (Section(resource.reference.replace("/", " "), fields),)


def _newest(resource: Resource[Any, Any], _now: datetime) -> str:
    return f"revision {resource.revision}" if resource.revision else ""


def name_column() -> Column[Any, Any]:
    return Column("NAME", lambda resource, _: resource.name)


@dataclass(frozen=True, kw_only=True, eq=False)
class Kind(Generic[S, T]):
    """How a type of resource is called, written, compared and shown. Pure; every function is total.

    `read` takes a document in any spelling (and a name for one that does not name itself) and returns name
    and spec, or raises InvalidDocument with every problem. `check` says what a valid spec still deserves a
    warning for, and raises InvalidDocument for what cannot be enforced. `write` gives the canonical document,
    `plan` the changes from one spec to another, None being nothing there.
    """

    noun: str
    """Singular, as a person types it: "persona"."""
    plural: str
    """Path and collection: /v1/personas."""
    id_key: str
    """Key of the name in documents and answers."""
    doc: str
    """One sentence."""
    spec: type[S]
    read: Read[S]
    example: Json
    """A document that `read` takes, name included."""
    state: type[T]
    write: Callable[[S], dict[str, Any]] = plain
    check: Callable[[S], Sequence[str]] = nothing_to_say
    references: Callable[[S], Iterable[Ref]] = no_references
    plan: Callable[[S | None, S | None], list[Change]] = whole_document
    verbs: frozenset[Verb] = WRITTEN
    within: str | None = None
    """Noun of the kind that this one's resources belong to, and are named within."""
    flat: bool = False
    """Answers have the spec's keys beside the name instead of below "spec"."""
    columns: tuple[Column[S, T], ...] = field(default_factory=lambda: (name_column(),))
    describe: Callable[[Resource[S, T], datetime], tuple[Section, ...]] = _fields
    summary: Callable[[Resource[S, T], datetime], str] = _newest
    """What a line of `watch` says behind the name."""
    troubles: Callable[[Resource[S, T]], Sequence[str]] = nothing_to_say
    """What needs a person's attention, a line each."""
    empty: str = "there are none"
    """Said where a table would have no rows."""

    def load(self, answer: Json) -> Resource[S, T]:
        """A resource from the manager's JSON. Raises ValidationError for a state it cannot read."""
        state = self.state.model_validate({key: answer[key] for key in self._state_keys & answer.keys()})
        return Resource(
            self,
            str(answer[self.id_key]),
            self._document(answer),
            state,
            int(answer.get("revision") or 0),
            answer.get("created_at"),
            answer.get("updated_at"),
            str(answer[f"{self.within}_id"]) if self.within else "",
        )

    def dump(self, resource: Resource[S, T]) -> dict[str, Any]:
        """The JSON that `load` reads."""
        return {key: _json(value) for key, value in self.answer(resource).items()}

    def answer(self, resource: Resource[S, T]) -> dict[str, Any]:
        """`dump`, with models in it that pydantic writes as JSON a good deal faster."""
        head: dict[str, Any] = {self.id_key: resource.name}
        if self.within:
            head[f"{self.within}_id"] = resource.parent
        if self.verbs:
            head["revision"], head["created_at"] = resource.revision, resource.created_at
            head["updated_at"] = resource.updated_at
        elif resource.revision:
            head["revision"] = resource.revision
        document = resource.document if self.flat else {"spec": resource.document}
        # Named twice where a report says what it likes: it must not take the name of another.
        return {**head, **document, **head, **resource.state.__dict__, **(resource.state.model_extra or {})}

    @cached_property
    def _state_keys(self) -> frozenset[str]:
        return frozenset(self.state.model_fields)

    def _document(self, answer: Json) -> Json:
        if not self.flat:
            found: Json = answer["spec"]
            return found
        others = {self.id_key, f"{self.within}_id", *ENVELOPE, *self._state_keys}
        return {key: value for key, value in answer.items() if key not in others}
