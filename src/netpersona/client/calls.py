"""What is asked of the manager and how it answers, as values: no socket, no clock.

`Client` and `AsyncClient` differ in how they carry out a call, and in nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote, urlencode

from netpersona.client.errors import BadName, Unreadable, refusal
from netpersona.kinds.shown import brief

if TYPE_CHECKING:
    from pydantic import BaseModel

    from netpersona.kinds.adaptation import LoggedDecision
    from netpersona.kinds.kind import Kind, Resource
    from netpersona.kinds.plans import WorkloadPlan
    from netpersona.kinds.verification import Verification
    from netpersona.kinds.workload import Workload

S = TypeVar("S", bound="BaseModel")
T = TypeVar("T", bound="BaseModel")
JsonObject = dict[str, Any]

TIMEOUT_S = 10.0
"""How long any answer may take that was not asked to wait."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request; `wait_s` is how long the manager was asked to wait for an agent before it answers."""

    method: str
    path: str
    body: object = None
    params: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    wait_s: float = 0.0

    @property
    def target(self) -> str:
        """Path and query (RFC 9112 section 3.2.1)."""
        return f"{self.path}?{urlencode(self.params, quote_via=quote)}" if self.params else self.path


def path_of(plural: str, name: str, *rest: str) -> str:
    """Path of a resource, or of something below it. Raises BadName for what a URL would lead elsewhere."""
    for word in (name, *rest):
        if word in ("", ".", "..") or not word.isprintable():
            raise BadName(
                f"{brief(word) or 'an empty word'} is not a name", "write letters, digits, '.', '_' or '-'"
            )
    return "/".join(["/v1", plural, *(quote(word, safe="") for word in (name, *rest))])


def page(plural: str) -> Call:
    """The first page of a collection; `next_page` follows its cursor."""
    return Call("GET", f"/v1/{plural}")


def next_page(answer: JsonObject, call: Call) -> Call | None:
    cursor = answer.get("continue")
    return Call("GET", call.path, params={"continue": str(cursor)}) if cursor else None


def get(plural: str, name: str, *rest: str) -> Call:
    return Call("GET", path_of(plural, name, *rest))


def create(kind: Kind[S, Any], name: str, spec: S, *, dry_run: bool = False) -> Call:
    return Call("POST", f"/v1/{kind.plural}", _document(kind, name, spec), _dry(dry_run))


def replace(kind: Kind[S, Any], name: str, spec: S, revision: int, *, dry_run: bool = False) -> Call:
    document = _document(kind, name, spec)
    return Call("PUT", path_of(kind.plural, name), document, _dry(dry_run), _if_match(revision))


def delete(plural: str, name: str, revision: int | None = None) -> Call:
    return Call("DELETE", path_of(plural, name), headers=_if_match(revision))


def watch(plural: str, revision: int | None = None, host: str | None = None) -> Call:
    params = {"watch": "1"}
    params |= {} if revision is None else {"revision": str(revision)}
    params |= {} if host is None else {"host": host}
    return Call("GET", f"/v1/{plural}", params=params)


def _document(kind: Kind[S, Any], name: str, spec: S) -> JsonObject:
    return {kind.id_key: name, **kind.write(spec)}


@dataclass(frozen=True, slots=True)
class Assignment:
    """Which persona is put on a workload, and what follows once `ttl` ("60s") has passed.

    Without a revision the assignment follows the persona as it changes. Without a `fallback` the persona
    that is worn now comes back.
    """

    persona_id: str
    persona_revision: int | None = None
    ttl: str | None = None
    fallback: str | None = None
    fallback_revision: int | None = None
    confirm_within: str | None = None
    """Go back to what is worn now unless it is confirmed within this time ("30s")."""
    probe: str | None = None
    """What the agent asks meanwhile, to confirm it or to take it back: "ping:10.0.0.1"."""
    allow_disruptive: bool | None = None
    """Also where a change takes the link down; `plan` names such changes."""


def assign(workload: str, assignment: Assignment, wait_s: float) -> Call:
    body = {key: value for key, value in asdict(assignment).items() if value is not None}
    return _awaited("PUT", workload, "persona", wait_s, body)


def release(workload: str, wait_s: float) -> Call:
    return _awaited("DELETE", workload, "persona", wait_s)


def rollback(workload: str, wait_s: float) -> Call:
    return _awaited("POST", workload, "rollback", wait_s)


def adapt(workload: str, policy: str, *, advise: bool = False) -> Call:
    body = {"policy_id": policy, "advise": advise}
    return Call("PUT", path_of("workloads", workload, "adaptation"), body)


def stop_adapting(workload: str) -> Call:
    return Call("DELETE", path_of("workloads", workload, "adaptation"))


def decisions(workload: str) -> Call:
    return get("workloads", workload, "adaptation", "decisions")


def adapt_all(enabled: bool) -> Call:
    return Call("PUT", "/v1/adaptation", {"enabled": enabled})


def adaptation_of_all() -> Call:
    return Call("GET", "/v1/adaptation")


def write_persona(workload: str, requirement: Mapping[str, Any], *, dry_run: bool = False) -> Call:
    path = path_of("workloads", workload, "requirement")
    return Call("POST", path, dict(requirement), _dry(dry_run))


def confirm(workload: str, wait_s: float) -> Call:
    return _awaited("POST", workload, "confirm", wait_s)


def plan(workload: str, assignment: Assignment) -> Call:
    body = {key: value for key, value in asdict(assignment).items() if value is not None}
    return Call("POST", path_of("workloads", workload, "plan"), body)


def verify(workload: str, wanted: Mapping[str, Any]) -> Call:
    """`wanted` may hold probes, interval and at_most."""
    body = {key: value for key, value in wanted.items() if value is not None}
    return Call("POST", path_of("workloads", workload, "verifications"), body)


def verification(workload: str, verification_id: str) -> Call:
    return get("workloads", workload, "verifications", verification_id)


def cancel(workload: str, verification_id: str) -> Call:
    return Call("DELETE", path_of("workloads", workload, "verifications", verification_id))


def _awaited(method: str, workload: str, what: str, wait_s: float, body: object = None) -> Call:
    params = {"wait": f"{wait_s:g}s"} if wait_s else {}
    return Call(method, path_of("workloads", workload, what), body, params, wait_s=wait_s)


def _if_match(revision: int | None) -> dict[str, str]:
    """The condition that nobody changed it meanwhile (RFC 9110 section 13.1.1); None: whatever is there."""
    return {} if revision is None else {"If-Match": f'"{revision}"'}


def _dry(dry_run: bool) -> dict[str, str]:
    return {"dry_run": "1"} if dry_run else {}


def load(kind: Kind[S, T], answer: JsonObject) -> Resource[S, T]:
    """Raises Unreadable for what the manager says and this version of ours does not know."""
    try:
        return kind.load(answer)
    except (ValueError, KeyError, TypeError) as error:
        what = f"the manager says of a {kind.noun} what this client cannot read"
        raise Unreadable(what, "use the version that the manager has") from error


def load_workload(answer: JsonObject) -> Workload:
    from netpersona.kinds.workload import WORKLOAD

    return load(WORKLOAD, answer)


def load_decisions(answer: JsonObject) -> list[LoggedDecision]:
    """Raises Unreadable."""
    from netpersona.kinds.adaptation import LoggedDecision

    try:
        return [LoggedDecision.model_validate(item) for item in answer["items"]]
    except (ValueError, KeyError, TypeError) as error:
        what = "the manager says of a decision what this client cannot read"
        raise Unreadable(what, "use the version that the manager has") from error


def load_plan(answer: JsonObject) -> WorkloadPlan:
    from netpersona.kinds.plans import WorkloadPlan

    try:
        return WorkloadPlan.model_validate(answer)
    except ValueError as error:
        what = "the manager says of a plan what this client cannot read"
        raise Unreadable(what, "use the version that the manager has") from error


def load_verification(answer: JsonObject) -> Verification:
    from netpersona.kinds.verification import VERIFICATION

    return load(VERIFICATION, answer)


def read_answer(status: int, content: bytes) -> JsonObject:
    """The object of an answer; {} where it has none. Raises ApiError unless `status` is 2xx."""
    try:
        body = json.loads(content) if content else {}
    except ValueError:
        body = {}
    body = body if isinstance(body, dict) else {}
    if not 200 <= status < 300:
        raise refusal(status, body)
    return body
