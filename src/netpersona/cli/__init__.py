"""The command line. Imports below stay light: `netpersona validate` must answer before a person notices."""

from netpersona.cli.app import main

__all__ = ["main"]
