"""Every kind there is. Adding one here is all that routes, client and command line need to know.

A kind's module is loaded when the kind is asked for: models take a tenth of a second, for which a shell that
completes a word, or a command that needs another kind, does not wait.
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from netpersona.kinds.errors import InvalidDocument, Problem
from netpersona.kinds.shown import brief

if TYPE_CHECKING:
    from netpersona.kinds.kind import Kind

    KINDS: tuple[Kind[Any, Any], ...]
    """All of them."""


class Home(NamedTuple):
    """What is known of a kind without its module."""

    plural: str
    declared: str
    """Where: module and name."""
    is_written: bool = True
    """People create, replace and delete it, and it can be watched; else it is got and listed only."""
    within: str = ""
    """The noun of the kind that it belongs to, where its resources are named within those of that one."""


HOMES: Final[dict[str, Home]] = {
    "persona": Home("personas", "netpersona.kinds.persona.kind:PERSONA"),
    "policy": Home("policies", "netpersona.kinds.policy.kind:POLICY"),
    "workload": Home("workloads", "netpersona.kinds.workload:WORKLOAD"),
    "verification": Home("verifications", "netpersona.kinds.verification:VERIFICATION", False, "workload"),
    "host": Home("hosts", "netpersona.kinds.host:HOST", False),
    "preset": Home("presets", "netpersona.kinds.persona.kind:PRESET", False),
}
"""By noun."""


def __getattr__(name: str) -> tuple[Kind[Any, Any], ...]:
    """`KINDS` (PEP 562)."""
    if name != "KINDS":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return tuple(map(kind_named, HOMES))


def kind_named(noun: str) -> Kind[Any, Any]:
    """Raises KeyError."""
    module, _, name = HOMES[noun].declared.partition(":")
    kind: Kind[Any, Any] = getattr(import_module(module), name)
    return kind


def noun_of(word: str) -> str | None:
    """`persona` and `personas` mean the same; None where no kind is called that."""
    return next((noun for noun, home in HOMES.items() if word in (noun, home.plural)), None)


def kind_of(word: str) -> Kind[Any, Any] | None:
    noun = noun_of(word)
    return kind_named(noun) if noun else None


def recognised(document: object) -> tuple[Kind[Any, Any], object]:
    """The kind of a document that a person wrote, and the document as that kind reads it.

    It says `kind: NOUN`, or is known by the key of its name; what does neither is taken for a persona. Raises
    InvalidDocument for a kind that nobody writes.
    """
    if not isinstance(document, Mapping):
        return kind_named("persona"), document
    said = document.get("kind")
    if isinstance(said, str) and said in HOMES:
        return _written(said), {key: value for key, value in document.items() if key != "kind"}
    known = next((noun for noun in HOMES if f"{noun}_id" in document), None)
    if known is None and "kind" in document:
        raise _unknown(said)
    return _written(known or "persona"), document


def _written(noun: str) -> Kind[Any, Any]:
    if not HOMES[noun].is_written:
        raise InvalidDocument([Problem(f"nobody writes a {noun}", f"write a {_choices()}", "/kind")])
    return kind_named(noun)


def _unknown(said: object) -> InvalidDocument:
    near = get_close_matches(str(said), HOMES, n=1)
    remedy = f"write {near[0]}" if near else f"write {_choices()}"
    return InvalidDocument([Problem(f"there is no kind {brief(said)}", remedy, "/kind")])


def _choices() -> str:
    *others, last = (noun for noun, home in HOMES.items() if home.is_written)
    return f"{', '.join(others)} or {last}"
