"""Policies of adaptation, and who adapts by them."""

from __future__ import annotations

from collections.abc import Sequence

from netpersona.control.resources.context import Context
from netpersona.control.resources.generic import Own, Resources
from netpersona.control.store.protocol import Record
from netpersona.kinds.policy.kind import POLICY, PolicyState
from netpersona.kinds.policy.model import PolicySpec


class _Own(Own[PolicyState]):
    def __init__(self, context: Context) -> None:
        super().__init__(POLICY)
        self._references = context.references

    def states(self, records: Sequence[Record]) -> Sequence[PolicyState]:
        users = self._references.all_users("policies", "workloads")
        return [PolicyState(in_use_by=tuple(users.get(record.key, ()))) for record in records]


class Policies(Resources[PolicySpec, PolicyState]):
    def __init__(self, context: Context) -> None:
        super().__init__(context, POLICY, _Own(context))
