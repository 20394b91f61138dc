"""The manager: resources, service, REST API, store and tokens. Needs no root and no kernel."""

from netpersona.control.http.api import create_app
from netpersona.control.identity.auth import Auth, NoAuth, TokenAuth
from netpersona.control.service import Service
from netpersona.control.store.fake import FakeStore
from netpersona.control.store.protocol import Store
from netpersona.control.store.sqlite import SqliteStore

__all__ = ["Auth", "FakeStore", "NoAuth", "Service", "SqliteStore", "Store", "TokenAuth", "create_app"]
