"""The conditions half of a persona: what the link does to packets in one direction."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    Discriminator,
    Field,
    GetJsonSchemaHandler,
    SerializerFunctionWrapHandler,
    Tag,
    model_serializer,
    model_validator,
)
from pydantic_core import CoreSchema

from netpersona.kinds.base import Frozen, Int
from netpersona.kinds.errors import Refused
from netpersona.kinds.units import Correlation, Duration, Probability, Rate, Size, shown

Distribution = Literal["uniform", "normal", "pareto", "paretonormal", "table"]

# Largest jitter as a share of the latency for which a distribution without
# negative delays exists: a uniform one reaches zero at 1; a truncated normal
# tends to an exponential at 1; a pareto of shape 3 starts 1/sqrt(3) standard
# deviations below its mean.
JITTER_LIMIT: Mapping[str, float] = {"uniform": 1.0, "normal": 0.99, "pareto": 1.7, "paretonormal": 1.6}

MAX_TABLE = 4096


class Chance(Frozen):
    """Something that happens to a share of the packets."""

    probability: Probability
    """Share of the packets, in MTU-sized segments."""
    correlation: Correlation = Correlation(0)
    """Lag-1 correlation of successive decisions."""

    @model_validator(mode="before")
    @classmethod
    def _scalar_is_probability(cls, value: Any) -> Any:
        return value if isinstance(value, (Mapping, Chance)) else {"probability": value}

    @model_serializer(mode="wrap")
    def _short(self, handler: SerializerFunctionWrapHandler) -> Any:
        return handler(self) if self.correlation else str(self.probability)

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        mapping = handler.resolve_ref_schema(handler(schema))
        return {"anyOf": [mapping["properties"]["probability"], dict(mapping)]}

    @property
    def acts(self) -> bool:
        """Whether any packet is touched."""
        return self.probability > 0


class GilbertElliott(Frozen):
    """Bursty loss of two states (Gilbert 1960, Elliott 1963; names as in Salsano et al.)."""

    model: Literal["gilbert_elliott"]
    """Tells this model from the others."""
    p: Probability
    """Probability of going from the good to the bad state, per packet."""
    r: Probability
    """Probability of going back; 1/r is the mean length of a bad period in packets."""
    loss_good: Probability = Probability(0)
    """Loss in the good state (1-k)."""
    loss_bad: Probability = Probability(1)
    """Loss in the bad state (1-h)."""

    @property
    def acts(self) -> bool:
        """Whether any packet can be lost."""
        return self.loss_good > 0 or (self.p > 0 and self.loss_bad > 0)


class FourState(Frozen):
    """Loss by a Markov chain of four states (Salsano, Ludovici, Ordine, Giannuzzi 2012), as netem's.

    1 good, 2 received within a burst, 3 lost within a burst, 4 isolated loss (which goes back to 1).
    """

    model: Literal["four_state"]
    """Tells this model from the others."""
    p13: Probability
    """From good to lost within a burst."""
    p31: Probability
    """From lost within a burst back to good."""
    p32: Probability = Probability(0)
    """From lost to received within a burst."""
    p23: Probability = Probability(1)
    """From received to lost within a burst."""
    p14: Probability = Probability(0)
    """From good to an isolated loss."""

    @model_validator(mode="after")
    def _ways_out_sum_to_one(self) -> FourState:
        for first, second in (("p13", "p14"), ("p31", "p32")):
            if getattr(self, first) + getattr(self, second) > 1:
                raise Refused(
                    f"{first} and {second} together exceed 1, but they leave the same state",
                    f"lower {first} or {second} so that they add up to 1 at most",
                    (second,),
                )
        return self

    @property
    def acts(self) -> bool:
        """Whether any packet can be lost."""
        return self.p13 > 0 or self.p14 > 0


def _loss_kind(value: Any) -> str:
    if isinstance(value, (GilbertElliott, FourState)):
        return value.model
    model = value.get("model") if isinstance(value, Mapping) else None
    return "chance" if model is None else shown(model) if not isinstance(model, str) else model


Loss = Annotated[
    Annotated[Chance, Tag("chance")]
    | Annotated[GilbertElliott, Tag("gilbert_elliott")]
    | Annotated[FourState, Tag("four_state")],
    Discriminator(_loss_kind),
]


class Link(Frozen):
    """What one direction of the link does to packets. Everything is decided per MTU-sized segment."""

    latency: Duration = Duration(0)
    """Mean delay, one way in this direction."""
    jitter: Duration = Duration(0)
    """Spread of the delay: half the width when uniform, otherwise the standard deviation."""
    distribution: Distribution = "uniform"
    """Shape of the delay; `table` takes it from `table`."""
    table: Annotated[tuple[Duration, ...], Field(min_length=2, max_length=MAX_TABLE)] | None = None
    """Measured delays in any order, each as likely as the next. Replaces latency and jitter."""
    correlation: Correlation = Correlation(0)
    """Correlation of the delays of successive packets. With order kept, denser ones have more."""
    order: Literal["keep", "free"] = "keep"
    """keep: no packet overtakes another. free: each delay is drawn for itself."""
    reorder: Chance | None = None
    """Share of packets sent at once, past the delay line; sets order to free."""
    loss: Loss | None = None
    """Share of packets lost, or a model of bursts."""
    duplicate: Chance | None = None
    """Share of packets sent twice."""
    corrupt: Chance | None = None
    """Share of packets in which one bit is flipped."""
    bandwidth: Rate | None = None
    """Rate limit; unlimited when left out."""
    burst: Size | None = None
    """Depth of the token bucket; 4 ms of the rate and two full frames unless said; less is smoother."""
    queue_length: Annotated[Int, Field(ge=1, le=1_000_000)] | None = None
    """Packets that may wait for the rate outside any queue of queue_configuration."""

    @model_validator(mode="after")
    def _fits_together(self) -> Link:
        _check_table(self)
        _check_jitter(self)
        _check_order(self)
        _check_rate(self)
        return self

    @property
    def order_free(self) -> bool:
        """Whether a later packet may overtake an earlier one."""
        return self.order == "free" or self.reorder is not None

    @property
    def delays(self) -> bool:
        """Whether packets are held back."""
        return self.latency > 0 or self.table is not None

    @property
    def acts(self) -> bool:
        """Whether this direction does anything to any packet."""
        chances = (self.loss, self.duplicate, self.corrupt)
        return (
            self.delays
            or self.bandwidth is not None
            or any(chance is not None and chance.acts for chance in chances)
        )


def _check_table(link: Link) -> None:
    if (link.distribution == "table") != (link.table is not None):
        at = "distribution" if link.table is None else "table"
        raise Refused(
            "distribution: table and table: [...] need each other",
            "give both, as in {distribution: table, table: [20ms, 22ms, 40ms]}, or neither",
            (at,),
        )
    for key in ("latency", "jitter"):
        if link.table is not None and getattr(link, key):
            raise Refused(
                f"table already says what the delay is, {key} says it again", f"remove {key}", (key,)
            )


def _check_jitter(link: Link) -> None:
    spread = link.jitter > 0 or link.table is not None
    for key, default in (("distribution", "uniform"), ("correlation", 0)):
        if not spread and getattr(link, key) != default:
            raise Refused(f"{key} acts on jitter, and there is none", f"add jitter, or remove {key}", (key,))
    limit = JITTER_LIMIT.get(link.distribution)
    if limit is None or link.jitter <= limit * link.latency:
        return
    most, least = Duration(int(limit * link.latency)), Duration(math.ceil(link.jitter / limit))
    lower = f"lower jitter to {most} or less" if most else "remove jitter"
    raise Refused(
        f"{link.distribution} jitter {link.jitter} around latency {link.latency} needs negative delays",
        f"{lower}, or raise latency to {least} or more",
        ("jitter",),
    )


def _check_order(link: Link) -> None:
    if link.reorder is None:
        return
    if "order" in link.model_fields_set and link.order == "keep":
        raise Refused(
            "reorder lets packets overtake, order: keep forbids it", "remove order or reorder", ("order",)
        )
    if not link.delays:
        raise Refused(
            "reorder sends packets past the delay line, and there is no delay",
            "add latency, as in {latency: 10ms, reorder: 1%}",
            ("reorder",),
        )


def _check_rate(link: Link) -> None:
    for key in ("burst", "queue_length"):
        if link.bandwidth is None and getattr(link, key) is not None:
            raise Refused(
                f"{key} belongs to a rate limit, and there is none", f"add bandwidth, or remove {key}", (key,)
            )
