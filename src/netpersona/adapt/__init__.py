"""Decisions: measured conditions → candidates → score → guard → decision. Pure: no clock, store or kernel.

`decide` is the whole of it; who calls it (`control/adaptations.py`) measures, assigns and logs.
"""

from netpersona.adapt.decide import Decided, decide
from netpersona.adapt.effects import Effects, effects_of
from netpersona.adapt.scorers import Scorer, Situation
from netpersona.adapt.state import State

__all__ = ["Decided", "Effects", "Scorer", "Situation", "State", "decide", "effects_of"]
