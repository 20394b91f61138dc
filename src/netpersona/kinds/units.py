"""Quantities as people write them, each with one meaning.

| type        | holds         | written as                                   | bare number         |
|-------------|---------------|----------------------------------------------|---------------------|
| Duration    | nanoseconds   | ns, us, ms, s, min or m, h                   | refused, but 0 is 0 |
| Rate        | bits a second | bit, kbit, mbit, gbit, tbit (powers of 1000) | refused             |
| Size        | bytes         | B, kB, MB, GB (1000), KiB, MiB, GiB (1024)   | bytes               |
| Probability | 0 to 1        | 0.5%, 0.005                                  | the fraction        |

A bare 1 as a probability is therefore always; 1 percent is written 1%.
`kbps` is refused: it is kilobytes to tc and kilobits to most others.
"""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, ClassVar, Self

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import core_schema

from netpersona.kinds.errors import Refused

_NUMBER = r"(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)"
_WRITTEN = re.compile(rf"({_NUMBER}(?:[eE][+-]?[0-9]{{1,3}})?)\s*([^\W0-9_][^\s,]*|%)?")
_LONGEST = 64


def shown(value: object) -> str:
    """A value as an error message quotes it: short, and on one line."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int) and abs(value) >= 10**20:
        return "a number of more than 20 digits"
    if isinstance(value, float) and not math.isfinite(value):
        return "nan" if math.isnan(value) else "an infinite number"
    if not isinstance(value, (str, int, float)):
        return "a mapping" if isinstance(value, Mapping) else "a list"
    text = repr(value[:40] if isinstance(value, str) else value)
    return text if len(text) <= 40 else text[:37] + "..."


def _split(text: str, wanted: str, remedy: str) -> tuple[Decimal, str]:
    """Number and unit of a quantity."""
    if len(text) > _LONGEST:
        raise Refused(f"{wanted} of {len(text):,} characters is too long", remedy)
    match = _WRITTEN.fullmatch(text.strip())
    if match is None:
        pointed = text.strip().replace(",", ".")
        if _WRITTEN.fullmatch(pointed):
            remedy = f"write {pointed}: decimals stand behind a point"
        elif _WRITTEN.fullmatch(text.strip().removeprefix("-")):
            raise Refused(f"{shown(text)} is below 0", remedy)
        raise Refused(f"{shown(text)} is not {wanted}", remedy)
    return Decimal(match[1]), match[2] or ""


def _decimal(value: Decimal) -> str:
    """Plain decimal notation without trailing zeros."""
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


class _Written(ABC):
    """A number that people write as text: read by ``parse``, written by ``str``."""

    remedy: ClassVar[str]

    @classmethod
    @abstractmethod
    def parse(cls, value: object) -> Self:
        """Raises Refused with what to write instead."""

    @classmethod
    @abstractmethod
    def _forms(cls) -> list[Mapping[str, Any]]:
        """A JSON Schema of each form that ``parse`` reads."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(
            cls.parse, serialization=core_schema.plain_serializer_function_ser_schema(str)
        )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"anyOf": cls._forms(), "description": cls.remedy}


class _Quantity(_Written, int):
    """A whole number of base units, read from and written as text with a unit."""

    units: ClassVar[Mapping[str, int]]
    canonical: ClassVar[tuple[str, ...]]
    wanted: ClassVar[str]
    lowest: ClassVar[int]
    highest: ClassVar[int]
    unit_pattern: ClassVar[str]
    bare_schema: ClassVar[Mapping[str, Any] | None] = None
    vanished: bool = False
    """Whether more than 0 was written, and rounded to 0."""

    @classmethod
    def parse(cls, value: object) -> Self:
        """Read a quantity; raises Refused with what to write instead."""
        if isinstance(value, cls):
            return value._bounded()
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return cls._bare(value)
        if not isinstance(value, str):
            raise Refused(f"{shown(value)} is not {cls.wanted}", cls.remedy)
        number, unit = _split(value, cls.wanted, cls.remedy)
        if not unit:
            return cls._bare(float(number) if number % 1 else int(min(number, Decimal(10**30))))
        return cls.rounded(number * cls._factor(unit, value))

    @classmethod
    def rounded(cls, exact: Decimal) -> Self:
        """The nearest whole number of base units; raises Refused outside the bounds."""
        read = cls(int(exact.to_integral_value()))._bounded()
        read.vanished = exact > 0 and read == 0
        return read

    @classmethod
    def _factor(cls, unit: str, value: str) -> int:
        factor = cls.units.get(cls._fold(unit))
        if factor is None:
            cased = next((known for known in cls.units if known.lower() == unit.lower()), None)
            remedy = f"write {value.replace(unit, cased)}" if cased else cls.remedy
            raise Refused(f"{shown(value)} has the unit {shown(unit)}, which is not known here", remedy)
        return factor

    @staticmethod
    def _fold(unit: str) -> str:
        return unit.lower()

    @classmethod
    def _bare(cls, value: float) -> Self:
        raise Refused(f"{shown(value)} has no unit", cls.remedy)

    def _bounded(self) -> Self:
        low, high = type(self)(self.lowest), type(self)(self.highest)
        if not self.lowest <= self <= self.highest:
            given = shown(int(self)) if self > 10**20 else str(self)
            raise Refused(f"{given} is outside {low} to {high}", f"write {self.wanted} from {low} to {high}")
        return self

    def __str__(self) -> str:
        fitting = (unit for unit in self.canonical if self >= self.units[unit])
        unit = next(fitting, self.canonical[0])
        return _decimal(Decimal(int(self)) / self.units[unit]) + unit

    @classmethod
    def _forms(cls) -> list[Mapping[str, Any]]:
        text: Mapping[str, Any] = {"type": "string", "pattern": rf"^\s*{_NUMBER}\s*({cls.unit_pattern})\s*$"}
        return [text, cls.bare_schema] if cls.bare_schema else [text]


class Duration(_Quantity):
    """Nanoseconds, 0 to 10 minutes; finer fractions are rounded to the nanosecond."""

    units: ClassVar[Mapping[str, int]] = {
        "ns": 1, "us": 10**3, "µs": 10**3, "μs": 10**3, "ms": 10**6, "s": 10**9,
        "m": 60 * 10**9, "min": 60 * 10**9, "h": 3600 * 10**9,
    }  # fmt: skip
    canonical = ("s", "ms", "us", "ns")
    wanted = "a duration"
    remedy = "write a number and ns, us, ms, s, min or h, as in 100ms or 1.5s"
    lowest, highest = 0, 600 * 10**9
    unit_pattern = "ns|us|µs|ms|s|m|min|h"
    bare_schema: ClassVar[Mapping[str, Any] | None] = {"const": 0}

    @classmethod
    def _bare(cls, value: float) -> Self:
        if value == 0:
            return cls(0)
        return super()._bare(value)


class Lifetime(Duration):
    """Nanoseconds, 1 ms to 10 years: how long an assignment lives."""

    lowest, highest = 10**6, 10 * 365 * 24 * 3600 * 10**9
    wanted = "a time to live"


_NO_LIMIT = "for no limit leave bandwidth out; loss: 100% drops everything"


class Rate(_Quantity):
    """Bits a second of Ethernet frames without checksum, 1 kbit/s to 400 Gbit/s."""

    units: ClassVar[Mapping[str, int]] = {
        "bit": 1,
        "kbit": 10**3,
        "mbit": 10**6,
        "gbit": 10**9,
        "tbit": 10**12,
    }
    canonical = ("gbit", "mbit", "kbit", "bit")
    wanted = "a rate"
    remedy = "write a number and kbit, mbit or gbit (1 kbit is 1000 bits a second), as in 850kbit or 1.5mbit"
    lowest, highest = 10**3, 400 * 10**9
    unit_pattern = "([kKmMgGtT]?[bB][iI][tT])(/s)?"

    @classmethod
    def parse(cls, value: object) -> Self:
        """Read a rate; raises Refused with what to write instead."""
        if isinstance(value, str) and value.strip().lower() in ("unlimited", "none", "inf", "infinite"):
            raise Refused(f"{shown(value)} is not a rate", _NO_LIMIT)
        return super().parse(value)

    @classmethod
    def _bare(cls, value: float) -> Self:
        if value == 0:
            raise Refused("a rate of 0 would let nothing through", _NO_LIMIT)
        return super()._bare(value)

    def _bounded(self) -> Self:
        return super()._bounded() if self else self._bare(0)

    @staticmethod
    def _fold(unit: str) -> str:
        return unit.lower().removesuffix("/s")


class Size(_Quantity):
    """Bytes, 1 to 4 GiB; a bare number is bytes."""

    units: ClassVar[Mapping[str, int]] = {
        "B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30,
    }  # fmt: skip
    canonical = ("B",)
    wanted = "a size"
    remedy = "write bytes, or a number and B, kB, MB (1000), KiB or MiB (1024), as in 15000 or 15kB"
    lowest, highest = 1, 2**32
    unit_pattern = "B|kB|MB|GB|KiB|MiB|GiB"
    bare_schema: ClassVar[Mapping[str, Any] | None] = {"type": "integer", "minimum": 1, "maximum": 2**32}

    @staticmethod
    def _fold(unit: str) -> str:
        return unit

    @classmethod
    def _bare(cls, value: float) -> Self:
        if isinstance(value, float) and not value.is_integer():
            raise Refused(f"{shown(value)} is not a whole number of bytes", cls.remedy)
        return cls(int(value))._bounded()


class Probability(_Written, float):
    """A probability from 0 to 1. A bare number is the fraction: 1 means always; 1 % is written 1%."""

    remedy: ClassVar[str] = (
        "write a percentage as in 0.5%, or the fraction as in 0.005 (1 is always, 1% is 0.01)"
    )

    @classmethod
    def parse(cls, value: object) -> Self:
        """Read a probability; raises Refused with what to write instead."""
        number = cls._read(value) if isinstance(value, str) else value
        if isinstance(number, bool) or not isinstance(number, (int, float)):
            raise Refused(f"{shown(value)} is not a probability", cls.remedy)
        if math.isnan(number):
            raise Refused("nan is not a probability", cls.remedy)
        if not 0 <= number <= 1:
            percent = number == value and 1 < number <= 100
            remedy = f"for {number:g} percent write {number:g}%" if percent else cls.remedy
            raise Refused(f"{shown(value)} is outside 0 to 1", remedy)
        return cls(number or 0.0)

    @classmethod
    def _read(cls, text: str) -> float:
        number, unit = _split(text, "a probability", cls.remedy)
        if unit not in ("", "%"):
            raise Refused(f"{shown(text)} is not a probability", cls.remedy)
        return float(number.scaleb(-2) if unit else number)

    def __str__(self) -> str:
        percent = Decimal(float.__repr__(self)).scaleb(2)
        if math.log10(self or 1) < -12:
            return float.__repr__(self)
        return _decimal(percent) + "%"

    def __format__(self, spec: str) -> str:
        return super().__format__(spec) if spec else str(self)

    @classmethod
    def _forms(cls) -> list[Mapping[str, Any]]:
        text = {"type": "string", "pattern": rf"^\s*{_NUMBER}([eE][+-]?[0-9]{{1,3}})?\s*%?\s*$"}
        return [{"type": "number", "minimum": 0, "maximum": 1}, text]


class Correlation(Probability):
    """Correlation of successive draws, 0 up to but without 1."""

    remedy: ClassVar[str] = "write a percentage below 100%, as in 25%, or the fraction as in 0.25"

    @classmethod
    def parse(cls, value: object) -> Self:
        """Read a correlation; raises Refused with what to write instead."""
        read = super().parse(value)
        if read >= 1:
            raise Refused("a correlation of 100% would repeat the first draw for ever", cls.remedy)
        return read
