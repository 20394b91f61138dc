"""What holds of every kind, and of one declared in a test."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.unit.kinds.label import LABEL

from netpersona.kinds.errors import InvalidDocument
from netpersona.kinds.kind import WRITTEN, Kind, Resource
from netpersona.kinds.registry import HOMES, KINDS, kind_of, recognised

NOW = datetime(2030, 1, 1, tzinfo=UTC)
MOMENT = "2029-12-31T23:00:00.000000Z"
STATES: dict[str, dict[str, Any]] = {
    "verification": {"requested_at": MOMENT},
    "host": {"seen_at": MOMENT, "workloads": ["web"]},
    "persona": {"in_use_by": ["web"]},
    "policy": {"in_use_by": ["web"]},
}
every_kind = pytest.mark.parametrize("kind", [*KINDS, LABEL], ids=lambda kind: kind.noun)


def example(kind: Kind[Any, Any]) -> Resource[Any, Any]:
    name, spec = kind.read(kind.example)
    state = kind.state.model_validate(STATES.get(kind.noun, {}))
    moment = MOMENT if kind.verbs else None
    revision = 7 if kind.verbs or kind.within else 0
    return Resource(
        kind, name, kind.write(spec), state, revision, moment, moment, "web" if kind.within else ""
    )


def test_names_of_kinds_are_not_given_twice() -> None:
    words = [word for kind in KINDS for word in (kind.noun, kind.plural)]
    assert len(set(words)) == len(words)
    assert all(kind_of(word) for word in words)
    assert kind_of("persons") is None


@every_kind
def test_what_is_written_is_read_again(kind: Kind[Any, Any]) -> None:
    name, spec = kind.read(kind.example)
    assert kind.read(json.loads(json.dumps(kind.write(spec))), name) == (name, spec)
    assert kind.read(kind.example)[1] == spec
    assert not kind.check(spec)


@every_kind
def test_a_resource_survives_the_wire(kind: Kind[Any, Any]) -> None:
    resource = example(kind)
    loaded = kind.load(json.loads(json.dumps(kind.dump(resource))))
    assert loaded == resource
    assert loaded.spec == resource.spec


@every_kind
def test_what_a_newer_manager_says_of_the_state_is_kept_out_of_the_way(kind: Kind[Any, Any]) -> None:
    answer = {**kind.dump(example(kind)), "revision": 9}
    if not kind.flat:
        answer["later"] = {"than": "this"}
    assert kind.load(answer).revision == 9


@every_kind
@pytest.mark.parametrize("document", [None, 7, "text", [], {"what\u202e": 1}, {"": None}])
def test_what_is_no_document_is_refused_with_a_remedy(kind: Kind[Any, Any], document: Any) -> None:
    if kind.noun == "host" and isinstance(document, dict):
        document = {**document, "version": 7}
    with pytest.raises(InvalidDocument) as refused:
        kind.read(document, "name")
    assert refused.value.problems
    assert all(problem.remedy for problem in refused.value.problems)


@every_kind
def test_specs_are_frozen_and_have_a_schema(kind: Kind[Any, Any]) -> None:
    spec = kind.read(kind.example)[1]
    assert kind.spec.model_config.get("frozen")
    assert kind.state.model_config.get("frozen")
    assert spec.model_json_schema()["properties"]


@every_kind
def test_nothing_changes_between_equals_and_all_is_new_from_nothing(kind: Kind[Any, Any]) -> None:
    spec = kind.read(kind.example)[1]
    assert kind.plan(spec, spec) == []
    assert kind.plan(None, spec)
    assert [c.pointer for c in kind.plan(spec, None)] == [c.pointer for c in kind.plan(None, spec)]


@every_kind
def test_a_person_is_shown_lines_of_text(kind: Kind[Any, Any]) -> None:
    resource = example(kind)
    cells = [column.cell(resource, NOW) for column in kind.columns]
    assert cells[0] == resource.name
    assert all(cell and "\n" not in cell for cell in cells if cell)
    assert len({column.heading for column in kind.columns}) == len(kind.columns)
    assert kind.describe(resource, NOW)[0].heading == f"{resource.reference.replace('/', ' ')}".replace(
        "preset", "persona"
    )
    assert "\n" not in kind.summary(resource, NOW)
    assert kind.troubles(resource) == () or kind.troubles(resource) == []
    assert kind.doc.endswith(".")


def test_all_that_is_wrong_with_a_document_is_told_at_once() -> None:
    with pytest.raises(InvalidDocument) as refused:
        LABEL.read({"label_id": "-", "text": 7, "colour": "red"})
    pointers = {problem.pointer for problem in refused.value.problems}
    assert pointers == {"/label_id", "/text", "/colour"}


def test_a_report_takes_nobody_elses_name() -> None:
    host = kind_of("host")
    assert host is not None
    resource = Resource(host, "mine", {"host": "yours", "seen_at": "never"}, host.state(seen_at=MOMENT))
    assert (host.dump(resource)["host"], host.dump(resource)["seen_at"]) == ("mine", MOMENT)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.noun)
def test_what_is_known_without_its_module_is_what_it_declares(kind: Kind[Any, Any]) -> None:
    home = HOMES[kind.noun]
    assert (home.plural, home.within) == (kind.plural, kind.within or "")
    assert home.is_written == (kind.verbs == WRITTEN)
    assert not home.is_written or kind.id_key == f"{kind.noun}_id"


def test_no_kind_is_loaded_before_it_is_asked_for() -> None:
    script = "import sys, netpersona.kinds.registry; print('pydantic' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert said.stdout == "False\n"


@pytest.mark.parametrize(
    ("document", "noun", "rest"),
    [
        ({"persona_id": "a"}, "persona", {"persona_id": "a"}),
        ({"name": "a"}, "persona", {"name": "a"}),
        ("text", "persona", "text"),
        ({"kind": "persona", "mtu": 1}, "persona", {"mtu": 1}),
        ({"workload_id": "a", "kind": "vm"}, "workload", {"workload_id": "a", "kind": "vm"}),
    ],
)
def test_a_document_is_known_by_the_key_of_its_name_or_says_its_kind(
    document: object, noun: str, rest: object
) -> None:
    kind, found = recognised(document)
    assert (kind.noun, found) == (noun, rest)


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"kind": "persno"}, "/kind: there is no kind persno; write persona"),
        ({"kind": 7}, "/kind: there is no kind 7; write persona, policy or workload"),
        ({"kind": ["x"], "name": "a"}, "/kind: there is no kind ['x']; write persona, policy or workload"),
        ({"kind": "host", "host": "a"}, "/kind: nobody writes a host; write a persona, policy or workload"),
    ],
)
def test_a_kind_that_nobody_writes_is_refused(document: object, said: str) -> None:
    with pytest.raises(InvalidDocument) as refused:
        recognised(document)
    assert [str(problem) for problem in refused.value.problems] == [said]
