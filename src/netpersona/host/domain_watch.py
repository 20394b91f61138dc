"""Keeps a table of libvirt's virtual machines, by its events.

All calls of the library are made by one thread, which waits inside it: a libvirtd that hangs holds up
nothing else. Read only: nothing is asked of libvirt but what there is.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from netpersona.host.domains import Domain, Nic, read_domain

URI = "qemu:///system"
RETRY_S = 1.0
TICK_MS = 500
"""How soon the thread notices that a connection was lost or that it shall end."""


class DomainWatch:
    """`start` once; the rest from any thread."""

    def __init__(self, uri: str, changed: Callable[[set[str]], None]) -> None:
        """`changed` is told the names that were looked at, by the watch's own thread.

        `problem` says why nothing is `heard`; "" before libvirt was asked.
        """
        self._uri = uri
        self._changed = changed
        self._domains: dict[str, Domain] = {}
        self._due: set[str] = set()
        self._lost = True
        self._needed = threading.Event()
        self._ending = threading.Event()
        self.heard = False
        self.problem = ""

    def start(self) -> None:
        threading.Thread(target=self._run, name="libvirt", daemon=True).start()

    def close(self) -> None:
        """The thread ends by itself, within a tick unless libvirt holds it."""
        self._ending.set()
        self._needed.set()

    def find(self, name: str) -> Domain | None:
        """Libvirt is not asked anything before this: it may have to be started for it."""
        self._needed.set()
        return self._domains.get(name)

    def _run(self) -> None:
        self._needed.wait()
        if self._ending.is_set():
            return
        try:
            import libvirt
        except ImportError:
            self.problem = "libvirt's Python library is missing; install netpersona[libvirt]"
            self._changed(set())
            return
        libvirt.registerErrorHandler(lambda *_: None, None)
        libvirt.virEventRegisterDefaultImpl()
        libvirt.virEventAddTimeout(TICK_MS, lambda *_: None, None)
        while not self._ending.is_set():
            told = self.problem
            try:
                self._follow(libvirt)
            except libvirt.libvirtError as error:
                self.problem = f"libvirt at {self._uri}: {error}"
            self._forget(told != self.problem)
            self._ending.wait(RETRY_S)

    def _follow(self, libvirt: Any) -> None:
        """Until the connection is lost. Raises libvirtError."""
        connection = libvirt.openReadOnly(self._uri)
        try:
            self._lost = False
            connection.registerCloseCallback(self._on_close, None)
            for event in (
                libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE,
                libvirt.VIR_DOMAIN_EVENT_ID_DEVICE_ADDED,
                libvirt.VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED,
            ):
                connection.domainEventRegisterAny(None, event, self._on_event, None)
            self._due |= {domain.name() for domain in connection.listAllDomains()}
            while not self._lost and not self._ending.is_set():
                self._look(connection, libvirt)
                libvirt.virEventRunDefaultImpl()
        finally:
            connection.close()

    def _on_close(self, *_: object) -> None:
        self._lost = True
        self.problem = f"libvirt at {self._uri} closed the connection"

    def _on_event(self, _: object, domain: Any, *__: object) -> None:
        self._due.add(domain.name())

    def _look(self, connection: Any, libvirt: Any) -> None:
        if self.heard and not self._due:
            return
        due, self._due = self._due, set()
        for name in due:
            domain = _read(connection, name, libvirt)
            if domain is None:
                self._domains.pop(name, None)
            else:
                self._domains[name] = domain
        self.heard = True
        self._changed(due)

    def _forget(self, news: bool) -> None:
        heard, self.heard, self._domains = self.heard, False, {}
        if heard or news:
            self._changed(set())


def _read(connection: Any, name: str, libvirt: Any) -> Domain | None:
    """Asked before and after its TAPs are looked up: a name that another domain has by now does not pass."""
    try:
        domain = connection.lookupByName(name)
        before = read_domain(domain.XMLDesc())
        nics = tuple(replace(nic, ifindex=_ifindex(nic)) for nic in before.nics)
        after = read_domain(domain.XMLDesc())
        return replace(before, nics=nics) if before == after else after
    except (libvirt.libvirtError, ValueError):
        return None


def _ifindex(nic: Nic) -> int:
    """0 if there is no such interface (yet)."""
    try:
        return socket.if_nametoindex(nic.tap)
    except OSError:
        return 0
