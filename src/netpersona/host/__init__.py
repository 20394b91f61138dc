"""What runs on this host beside us: containers and virtual machines, found by name.

Like `netpersona.datapath` it touches the system, and changes nothing there.
"""

from netpersona.host.container_netns import ContainerGone, NotItsOwn, network_namespace
from netpersona.host.container_watch import SOCKETS, ContainerWatch
from netpersona.host.containers import PERSONA_LABEL, SHORT_ID, TTL_LABEL, Container, named
from netpersona.host.domain_watch import URI, DomainWatch
from netpersona.host.domains import Domain, Nic, NoSuchNic, choose

__all__ = [
    "PERSONA_LABEL",
    "SHORT_ID",
    "SOCKETS",
    "TTL_LABEL",
    "URI",
    "Container",
    "ContainerGone",
    "ContainerWatch",
    "Domain",
    "DomainWatch",
    "Nic",
    "NoSuchNic",
    "NotItsOwn",
    "choose",
    "named",
    "network_namespace",
]
