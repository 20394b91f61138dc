"""The only package that touches the kernel: programs, maps, interfaces, and the way to the engine."""

from netpersona.datapath.driver import LABELS, NOTHING, Assigned, Change, Driver, Target, Wanted
from netpersona.datapath.endpoints import find_attachment, find_behind, find_tap
from netpersona.datapath.errors import (
    AttachmentsFull,
    BoundReached,
    Busy,
    DatapathError,
    EndpointMissing,
    EndpointUnsupported,
    HardwareRefused,
    Incompatible,
    KernelRefused,
    NeedsRoot,
    NotAttached,
    SlotsFull,
)
from netpersona.datapath.exclusive import exclusive
from netpersona.datapath.management import WaysIn
from netpersona.datapath.netlink import netns_path
from netpersona.datapath.nic.driver import NicDriver
from netpersona.datapath.nic.ethtool import Ethtool
from netpersona.datapath.nic.restore import restore_interfaces
from netpersona.datapath.nic.saved import Records, hardware_path
from netpersona.datapath.programs.driver import ProgramsDriver
from netpersona.datapath.programs.fake import FakePrograms
from netpersona.datapath.programs.kernel import DETOUR_TAP, NULL_SLOT, KernelDatapath, remove
from netpersona.datapath.programs.meter import Meter, Moved
from netpersona.datapath.programs.prober import Prober
from netpersona.datapath.programs.probes import MIN_LENGTH, Opened, Probe, Train
from netpersona.datapath.reach import Origin, Unanswered, reach
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
    "LABELS",
    "MIN_LENGTH",
    "NOTHING",
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
    "DatapathError",
    "Direction",
    "Driver",
    "Endpoint",
    "EndpointMissing",
    "EndpointUnsupported",
    "EngineStats",
    "Ethtool",
    "Facing",
    "FakePrograms",
    "HardwareRefused",
    "Incompatible",
    "KernelDatapath",
    "KernelRefused",
    "LaneStats",
    "Meter",
    "Moved",
    "NeedsRoot",
    "NicDriver",
    "NotAttached",
    "Observation",
    "Opened",
    "Origin",
    "Probe",
    "Prober",
    "ProgramsDriver",
    "Records",
    "SlotsFull",
    "Tally",
    "Target",
    "Train",
    "Unanswered",
    "Wanted",
    "WaysIn",
    "exclusive",
    "find_attachment",
    "find_behind",
    "find_tap",
    "hardware_path",
    "netns_path",
    "reach",
    "remove",
    "restore_interfaces",
]
