"""Verification: what a persona asks for, held against what probes show. All but `verifier` is pure."""

from netpersona.agent.verify.verifier import Probing, Verifier

__all__ = ["Probing", "Verifier"]
