"""What the validation library found, in words of ours: its own are for programmers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from pydantic import TypeAdapter

from netpersona.kinds.errors import Refused
from netpersona.kinds.names import Identifier, InterfaceName, NetnsName, PersonaName
from netpersona.kinds.shown import brief

Context = Mapping[str, Any]


def said(error: Mapping[str, Any]) -> tuple[str, str]:
    """Detail and remedy of one entry of ``ValidationError.errors()``."""
    context = error.get("ctx", {})
    if isinstance(refused := context.get("error"), Refused):
        return refused.message, refused.remedy
    find = _SAID.get(str(error["type"]))
    return find(context) if find else ("this value does not belong here", "see the JSON Schema of its kind")


def pointer(path: tuple[int | str, ...], value: Any) -> str:
    """JSON pointer (RFC 6901) of what an entry's ``loc`` names in ``value``, as far as it is there."""
    text = ""
    for step in path:
        if isinstance(value, dict) and isinstance(step, str):
            value = value.get(step)
        elif isinstance(value, list) and isinstance(step, int):
            value = value[step]
        else:
            break
        text += f"/{escape(str(step))}"
    return text


def escape(key: str) -> str:
    """RFC 6901 section 3."""
    return key.replace("~", "~0").replace("/", "~1")


def _wanted(what: str) -> Callable[[Context], tuple[str, str]]:
    return lambda _context: (f"this is not {what}", f"write {what}")


def _form_of(text: Any) -> tuple[str, str]:
    """Pattern and description of an annotated text."""
    schema = TypeAdapter(text).json_schema()
    return schema["pattern"], schema["description"]


_FORMS: Final[Mapping[str, str]] = dict(map(_form_of, (Identifier, InterfaceName, NetnsName, PersonaName)))
_SAID: Final[Mapping[str, Callable[[Context], tuple[str, str]]]] = {
    "missing": lambda _: ("this key is missing", "add it"),
    "extra_forbidden": lambda _: ("there is no such key", "remove this key"),
    "string_type": _wanted("a text"),
    "string_pattern_mismatch": lambda c: (
        "this text has another form",
        _FORMS.get(c["pattern"], c["pattern"]),
    ),
    "string_too_long": lambda c: (f"this has more than {c['max_length']} characters", "write less"),
    "too_long": lambda c: (f"there are more than {c['max_length']} of them", "send them in several requests"),
    "int_type": _wanted("a whole number"),
    "int_parsing": _wanted("a whole number"),
    "int_parsing_size": _wanted("a whole number below 2^63"),
    "int_from_float": _wanted("a whole number"),
    "float_type": _wanted("a number"),
    "float_parsing": _wanted("a number"),
    "finite_number": _wanted("a finite number"),
    "bool_type": _wanted("true or false"),
    "bool_parsing": _wanted("1 or 0"),
    "dict_type": _wanted("an object, {…}"),
    "model_type": _wanted("an object, {…}"),
    "list_type": _wanted("a list, […]"),
    "literal_error": lambda c: ("there is no such choice", f"write {c['expected']}"),
    "greater_than_equal": lambda c: (f"this is less than {c['ge']}", f"write {c['ge']} or more"),
    "less_than_equal": lambda c: (f"this is more than {c['le']}", f"write {c['le']} or less"),
    "value_error": lambda c: (brief(c["error"], 200), "change it accordingly"),
}
