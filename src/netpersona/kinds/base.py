"""What every part of the model shares."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, Strict

from netpersona.kinds.errors import Refused


def _without_nul(text: str) -> str:
    """No store and no C string keeps a NUL."""
    if "\0" in text:
        raise Refused("the text holds a NUL character", "remove it")
    return text


Int = Annotated[int, Strict()]
Text = Annotated[str, Strict()]
Prose = Annotated[str, Strict(), Field(max_length=4096), AfterValidator(_without_nul)]


class Frozen(BaseModel):
    """An immutable value that refuses keys it does not know."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", ser_json_inf_nan="constants", use_attribute_docstrings=True
    )


class Told(BaseModel):
    """An immutable value that another process says; a newer one may say more, which is kept."""

    model_config = ConfigDict(frozen=True, extra="allow")
