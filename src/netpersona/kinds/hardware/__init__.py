"""Hardware settings of interfaces: what is asked, what there is, and the plan from one to the other. Pure."""

from netpersona.kinds.hardware.asked import NOTHING_ASKED, Ask, Hardware, Steered, Value
from netpersona.kinds.hardware.describe import sections
from netpersona.kinds.hardware.effects import Effect, effect
from netpersona.kinds.hardware.interface import Capabilities, HardwareReport, Settings, report_document
from netpersona.kinds.hardware.plan import LABELS, Delta, Plan, deltas, plan, returning, step_of
from netpersona.kinds.hardware.resolve import Placement
from netpersona.kinds.hardware.steering import Steer

__all__ = [
    "LABELS",
    "NOTHING_ASKED",
    "Ask",
    "Capabilities",
    "Delta",
    "Effect",
    "Hardware",
    "HardwareReport",
    "Placement",
    "Plan",
    "Settings",
    "Steer",
    "Steered",
    "Value",
    "deltas",
    "effect",
    "plan",
    "report_document",
    "returning",
    "sections",
    "step_of",
]
