"""The condition of a rule: `loss > 2% and egress.rtt > 80ms for 3s`.

    condition  := comparison {"and" comparison} ["for" duration]
    comparison := ["egress." | "ingress."] metric (">" | ">=" | "<" | "<=") quantity

`for` holds for the whole: every sample of that time must fulfil all comparisons.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Annotated, Final, cast

from pydantic import PlainSerializer, PlainValidator, WithJsonSchema

from netpersona.kinds.errors import Refused
from netpersona.kinds.measured import DIRECTIONS, Direction, Measured
from netpersona.kinds.policy.metrics import METRICS, Metric
from netpersona.kinds.shown import brief
from netpersona.kinds.units import Duration, shown

OPERATORS: Final[dict[str, Callable[[float, float], bool]]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}
LONGEST: Final = 400
EXAMPLE: Final = "loss > 2% and rtt > 80ms for 3s"

_TOKEN: Final = re.compile(
    r"(?P<operator>[<>]=?|=+|!=)|(?P<number>[0-9.]+\s*(?:(?!and\b|for\b)[^\W\d_]+(?:/s)?|%)?)"
    r"|(?P<word>[^\W\d][\w.]*)|(?P<other>\S)"
)


@dataclass(frozen=True, slots=True)
class Token:
    sort: str
    text: str
    at: int
    """Characters before it, plus one."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """A metric, of one direction or both, against a threshold in the unit of the metric."""

    direction: Direction | None
    metric: str
    operator: str
    threshold: float
    quantity: str
    """The threshold as it was written."""

    @property
    def name(self) -> str:
        return f"{self.direction}.{self.metric}" if self.direction else self.metric

    @property
    def upward(self) -> bool:
        """Whether high values fulfil it."""
        return self.operator in (">", ">=")

    def value(self, measured: Measured) -> float | None:
        return METRICS[self.metric].value(measured, self.direction)

    def holds(self, measured: Measured, hysteresis: float = 0.0) -> bool | None:
        """None where it was not measured. With `hysteresis` it holds that share past its threshold, too."""
        value = self.value(measured)
        if value is None:
            return None
        factor = 1 - hysteresis if self.upward else 1 + hysteresis
        return OPERATORS[self.operator](value, self.threshold * factor)

    def __str__(self) -> str:
        return f"{self.name} {self.operator} {self.quantity}"


@dataclass(frozen=True, slots=True)
class Condition:
    comparisons: tuple[Comparison, ...]
    for_s: float = 0.0

    def holds(self, measured: Measured, hysteresis: float = 0.0) -> bool | None:
        """Whether one sample fulfils it; None where that depends on what was not measured."""
        found = [comparison.holds(measured, hysteresis) for comparison in self.comparisons]
        if False in found:
            return False
        return None if None in found else True

    def __str__(self) -> str:
        text = " and ".join(map(str, self.comparisons))
        return f"{text} for {Duration(round(self.for_s * 1e9))}" if self.for_s else text


def parse(value: object) -> Condition:
    """Raises Refused, which says at which character and what to write."""
    if isinstance(value, Condition):
        return value
    if not isinstance(value, str):
        raise Refused(f"{shown(value)} is no condition", f"write one as in {EXAMPLE}")
    if len(value) > LONGEST:
        raise Refused(f"a condition of {len(value):,} characters is too long", f"write one as in {EXAMPLE}")
    return _Parser(value).condition()


class _Parser:
    def __init__(self, text: str) -> None:
        self._tokens = [*_tokens(text), Token("end", "", len(text) + 1)]
        self._next = 0

    def condition(self) -> Condition:
        comparisons = [self._comparison()]
        while self._peek("and"):
            comparisons.append(self._comparison())
        for_s = self._duration() if self._peek("for") else 0.0
        token = self._take()
        if token.sort != "end":
            remedy = "write the duration once, at the end" if token.text == "and" and for_s else (
                "join comparisons by `and`, or write a rule for each" if token.text in ("or", "||", "&&", ",")
                else "write `and` and another comparison, `for` and a duration, or nothing"
            )  # fmt: skip
            raise _wrong(token, "does not belong here", remedy)
        return Condition(tuple(comparisons), for_s)

    def _comparison(self) -> Comparison:
        direction, metric = self._metric()
        sign = self._take()
        if sign.text not in OPERATORS:
            remedy = f"write one of {' '.join(OPERATORS)}"
            raise _wrong(sign, "is no comparison", f"{remedy}: measured values are hardly ever equal"
                         if sign.text in ("=", "==", "!=") else remedy)  # fmt: skip
        quantity = self._take()
        if quantity.sort != "number":
            raise _wrong(quantity, f"is no quantity of {metric.name}", _example(metric))
        try:
            threshold = metric.unit.read(quantity.text)
        except Refused as error:
            raise Refused(f"at character {quantity.at}: {error.message}", error.remedy) from None
        return Comparison(direction, metric.name, sign.text, threshold, quantity.text.replace(" ", ""))

    def _metric(self) -> tuple[Direction | None, Metric]:
        token = self._take()
        before, dot, name = token.text.rpartition(".")
        if dot and before not in DIRECTIONS:
            raise _wrong(token, "has no direction that is known", f"write egress.{name} or ingress.{name}")
        metric = METRICS.get(name) if token.sort == "word" else None
        if metric is None:
            near = get_close_matches(_SYNONYMS.get(name, name), METRICS, n=1)
            known = ", ".join(METRICS)
            remedy = f"write {before}{dot}{near[0]}; there are {known}" if near else f"write one of {known}"
            raise _wrong(token, "is no metric", remedy)
        return (cast(Direction, before) if dot else None), metric

    def _duration(self) -> float:
        token = self._take()
        if token.sort != "number":
            raise _wrong(token, "is no duration", "write how long it must hold, as in `for 3s`")
        try:
            return Duration.parse(token.text) / 1e9
        except Refused as error:
            raise Refused(f"at character {token.at}: {error.message}", error.remedy) from None

    def _peek(self, word: str) -> bool:
        """Takes the word if it is next."""
        found = self._tokens[self._next].text == word
        self._next += found
        return found

    def _take(self) -> Token:
        token = self._tokens[self._next]
        self._next = min(self._next + 1, len(self._tokens) - 1)
        return token


_SYNONYMS: Final = {"latency": "rtt", "delay": "rtt", "rate": "throughput", "bandwidth": "throughput",
                    "pps": "packets", "queue": "queue_depth", "dropped": "drops"}  # fmt: skip


def _tokens(text: str) -> Iterator[Token]:
    for match in _TOKEN.finditer(text):
        yield Token(str(match.lastgroup), match.group().strip(), match.start() + 1)


def _wrong(token: Token, message: str, remedy: str) -> Refused:
    what = f"`{brief(token.text, 20)}`" if token.text else "the end"
    return Refused(f"at character {token.at}: {what} {message}", remedy)


def _example(metric: Metric) -> str:
    return {
        "ms": "write a duration, as in 80ms",
        "bit/s": "write a rate, as in 10mbit",
        "share": "write a percentage, as in 2%",
        "packets/s": "write packets a second, as in 20kpps",
    }.get(metric.unit.base, "write a number of packets, as in 200")


When = Annotated[
    Condition,
    PlainValidator(parse),
    PlainSerializer(str),
    WithJsonSchema(
        {
            "type": "string",
            "maxLength": LONGEST,
            "description": f"Comparisons joined by `and`, then how long they must hold: {EXAMPLE}. Metrics: "
            + "; ".join(f"{metric.name} ({metric.doc})" for metric in METRICS.values())
            + ". egress. or ingress. in front takes one direction.",
        }
    ),
]
"""A condition in a document."""
