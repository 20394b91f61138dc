"""The only package that touches the kernel: programs, maps, interfaces, and the way to the engine."""

from netpersona.datapath.driver import Assigned, Change, Datapath, Driver, Effect, Target, Wanted
from netpersona.datapath.endpoints import find_attachment, find_behind, find_tap
from netpersona.datapath.errors import (
    AttachmentsFull,
    BoundReached,
    Busy,
    DatapathError,
    EndpointMissing,
    EndpointUnsupported,
    Incompatible,
    KernelRefused,
    NeedsRoot,
    NotAttached,
    SlotsFull,
)
from netpersona.datapath.exclusive import exclusive
from netpersona.datapath.fake import FakeDatapath
from netpersona.datapath.kernel import DETOUR_TAP, NULL_SLOT, KernelDatapath, remove
from netpersona.datapath.management import WaysIn
from netpersona.datapath.prober import Prober
from netpersona.datapath.probes import MIN_LENGTH, Opened, Probe, Train
from netpersona.datapath.programs.driver import ProgramsDriver
from netpersona.datapath.programs.fake import FakePrograms
from netpersona.datapath.types import (
    Attached,
    Binding,
    Capabilities,
    Counters,
    Direction,
    Endpoint,
    EngineStats,
    Facing,
    LaneStats,
    Observation,
    Tally,
)

__all__ = [
    "DETOUR_TAP",
    "MIN_LENGTH",
    "NULL_SLOT",
    "Assigned",
    "Attached",
    "AttachmentsFull",
    "Binding",
    "BoundReached",
    "Busy",
    "Capabilities",
    "Change",
    "Counters",
    "Datapath",
    "DatapathError",
    "Direction",
    "Driver",
    "Effect",
    "Endpoint",
    "EndpointMissing",
    "EndpointUnsupported",
    "EngineStats",
    "Facing",
    "FakeDatapath",
    "FakePrograms",
    "Incompatible",
    "KernelDatapath",
    "KernelRefused",
    "LaneStats",
    "NeedsRoot",
    "NotAttached",
    "Observation",
    "Opened",
    "Probe",
    "Prober",
    "ProgramsDriver",
    "SlotsFull",
    "Tally",
    "Target",
    "Train",
    "Wanted",
    "WaysIn",
    "exclusive",
    "find_attachment",
    "find_behind",
    "find_tap",
    "remove",
]
