"""What every part of the model shares."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Strict

Int = Annotated[int, Strict()]
Text = Annotated[str, Strict()]


class Frozen(BaseModel):
    """An immutable value that refuses keys it does not know."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", ser_json_inf_nan="constants", use_attribute_docstrings=True
    )
