"""Every kind there is. Adding one here is all that routes, client and command line need to know."""

from __future__ import annotations

from typing import Any, Final

from netpersona.kinds.host import HOST
from netpersona.kinds.kind import Kind
from netpersona.kinds.persona.kind import PERSONA, PRESET
from netpersona.kinds.verification import VERIFICATION
from netpersona.kinds.workload import WORKLOAD

KINDS: Final[tuple[Kind[Any, Any], ...]] = (PERSONA, PRESET, WORKLOAD, VERIFICATION, HOST)


def kind_of(word: str) -> Kind[Any, Any] | None:
    """`persona` and `personas` mean the same; None where no kind is called that."""
    return next((kind for kind in KINDS if word in (kind.noun, kind.plural)), None)
