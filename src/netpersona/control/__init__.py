"""The manager: resources, service, REST API, store and tokens. Needs no root and no kernel."""

from netpersona.control.api import create_app
from netpersona.control.auth import Auth, NoAuth, TokenAuth
from netpersona.control.fake_store import FakeStore
from netpersona.control.service import Service
from netpersona.control.sqlite_store import SqliteStore
from netpersona.control.store import Store

__all__ = ["Auth", "FakeStore", "NoAuth", "Service", "SqliteStore", "Store", "TokenAuth", "create_app"]
