"""A kind made of one declaration: the proof that nothing else is needed."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from netpersona.kinds.base import Frozen, Text
from netpersona.kinds.kind import Column, Kind, Nothing, name_column
from netpersona.kinds.reading import reader


class LabelSpec(Frozen):
    """A text to remember."""

    text: Annotated[Text, Field(max_length=100)]


LABEL: Kind[LabelSpec, Nothing] = Kind(
    noun="label",
    plural="labels",
    id_key="label_id",
    doc="A text to remember.",
    spec=LabelSpec,
    state=Nothing,
    read=reader(LabelSpec, "label_id"),
    example={"label_id": "note", "text": "to be remembered"},
    columns=(name_column(), Column("TEXT", lambda label, _: label.spec.text)),
)
