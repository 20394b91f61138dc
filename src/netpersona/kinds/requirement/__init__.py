"""What an application requires of the network, and a persona written for it. Pure."""

from netpersona.kinds.requirement.applications import Requirement, default_name
from netpersona.kinds.requirement.writer import Reason, Written, write

__all__ = ["Reason", "Requirement", "Written", "default_name", "write"]
