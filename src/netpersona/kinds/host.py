"""Hosts: the agents that have reported, and what their hosts can do."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, StrictStr

from netpersona.kinds.base import Told
from netpersona.kinds.kind import Column, Kind, Resource, name_column
from netpersona.kinds.moments import age
from netpersona.kinds.reading import reader


class HostReport(Told):
    """An agent's heartbeat: what its host can do and how its engine fares. Kept in memory."""

    version: Annotated[StrictStr, Field(max_length=64)] = ""
    capabilities: dict[str, Any] = Field(default_factory=dict)
    engine: dict[str, Any] = Field(default_factory=dict)


class HostState(Told):
    """When a host reported last, and the workloads that are said to be on it."""

    seen_at: str = ""
    workloads: tuple[str, ...] = ()


Host = Resource[HostReport, HostState]


HOST: Kind[HostReport, HostState] = Kind(
    noun="host",
    plural="hosts",
    id_key="host",
    flat=True,
    doc="An agent that has reported, by the name it was started with.",
    spec=HostReport,
    state=HostState,
    read=reader(HostReport, "host"),
    example={"host": "local", "version": "1.0"},
    verbs=frozenset(),
    columns=(
        name_column(),
        Column("VERSION", lambda host, _: host.spec.version or "-"),
        Column("ENGINE", lambda host, _: "alive" if host.spec.engine.get("alive") else "stopped"),
        Column("WORKLOADS", lambda host, _: ",".join(host.state.workloads) or "-"),
        Column("SEEN", lambda host, now: age(host.state.seen_at, now)),
    ),
    empty="no agent has registered; `sudo netpersona up` starts one",
)
