"""What the API does with every kind that people write, and with one that a test declares."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import httpx2
import pytest
from tests.unit.control.outcomes import ANYHOW
from tests.unit.kinds.label import LABEL, LabelSpec

from netpersona.control import FakeStore, Service
from netpersona.control.http.api import create_app
from netpersona.control.identity.auth import Auth, NoAuth, TokenAuth
from netpersona.control.identity.calls import OURS, ROOT, Call, Caller
from netpersona.control.problems import Conflict, Unprocessable
from netpersona.control.resources.generic import Resources
from netpersona.control.store.protocol import StoreError
from netpersona.kinds.base import Frozen, Text
from netpersona.kinds.kind import WRITTEN, Kind, Nothing, Ref
from netpersona.kinds.reading import reader
from netpersona.kinds.registry import KINDS

ALL = (*KINDS, LABEL)
AnyKind = Kind[Any, Any]
Story = Callable[[httpx2.AsyncClient, FakeStore], Awaitable[None]]

written_kinds = pytest.mark.parametrize(
    "kind", [kind for kind in ALL if kind.verbs == WRITTEN], ids=lambda kind: kind.noun
)


def tell(story: Story) -> None:
    async def run() -> None:
        store = FakeStore()
        app = create_app(Service(store, kinds=ALL), NoAuth())
        transport = httpx2.ASGITransport(app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://netpersona") as client:
            await story(client, store)

    asyncio.run(run())


def path(kind: AnyKind) -> str:
    return f"/v1/{kind.plural}/{kind.example[kind.id_key]}"


def unnamed(kind: AnyKind) -> dict[str, Any]:
    return {key: value for key, value in kind.example.items() if key != kind.id_key}


@written_kinds
def test_one_is_created_got_listed_and_deleted(kind: AnyKind) -> None:
    async def story(client: httpx2.AsyncClient, _: FakeStore) -> None:
        created = await client.post(f"/v1/{kind.plural}", json=kind.example)
        assert created.status_code == 201, created.text
        got = await client.get(path(kind))
        assert got.json() == created.json()
        assert got.headers["etag"] == f'"{got.json()["revision"]}"'
        assert kind.load(got.json()).spec == kind.read(kind.example)[1]
        page = (await client.get(f"/v1/{kind.plural}")).json()
        assert page["items"] == [got.json()]
        assert (await client.post(f"/v1/{kind.plural}", json=kind.example)).status_code == 409
        assert (await client.delete(path(kind))).status_code == 204
        assert (await client.get(path(kind))).status_code == 404
        assert (await client.delete(path(kind))).status_code == 404

    tell(story)


@written_kinds
def test_conditions_hold(kind: AnyKind) -> None:
    async def story(client: httpx2.AsyncClient, _: FakeStore) -> None:
        first = await client.put(path(kind), json=unnamed(kind))
        assert first.status_code == 201
        assert (await client.put(path(kind), json=unnamed(kind))).status_code == 428
        stale = {"If-Match": '"999999"'}
        assert (await client.put(path(kind), json=unnamed(kind), headers=stale)).status_code == 412
        assert (await client.delete(path(kind), headers=stale)).status_code == 412
        again = await client.put(path(kind), json=unnamed(kind), headers={"If-Match": first.headers["etag"]})
        assert again.status_code == 200
        assert again.json()["revision"] > first.json()["revision"]
        only_new = {"If-None-Match": "*", "If-Match": "*"}
        assert (await client.put(path(kind), json=unnamed(kind), headers=only_new)).status_code == 412

    tell(story)


@written_kinds
def test_a_dry_run_says_what_would_change_and_changes_nothing(kind: AnyKind) -> None:
    async def story(client: httpx2.AsyncClient, store: FakeStore) -> None:
        for answer in (
            await client.post(f"/v1/{kind.plural}?dry_run=1", json=kind.example),
            await client.put(f"{path(kind)}?dry_run=1", json=unnamed(kind)),
        ):
            assert answer.json()["dry_run"] is True
            assert answer.json()["changes"]
        assert store.revision == 0
        await client.post(f"/v1/{kind.plural}", json=kind.example)
        at = store.revision
        gone = await client.delete(f"{path(kind)}?dry_run=1")
        assert all(change["after"] is None for change in gone.json()["changes"])
        assert store.revision == at

    tell(story)


@written_kinds
def test_what_is_wrong_is_pointed_at_and_stored_nowhere(kind: AnyKind) -> None:
    async def story(client: httpx2.AsyncClient, store: FakeStore) -> None:
        bad = {**kind.example, "colour": "red"}
        for answer in (
            await client.post(f"/v1/{kind.plural}", json=bad),
            await client.put(path(kind), json=bad),
            await client.post(f"/v1/{kind.plural}", json=[]),
            await client.put(f"/v1/{kind.plural}/other", json=kind.example),
        ):
            assert answer.status_code == 422
            assert all(error["remedy"] for error in answer.json()["errors"])
        assert store.revision == 0
        assert (await client.get(f"/v1/{kind.plural}?dry-run=1")).status_code == 400
        text = f"{kind.id_key}: [\n"
        yaml = {"Content-Type": "application/yaml"}
        assert (await client.put(path(kind), content=text, headers=yaml)).status_code == 422

    tell(story)


@written_kinds
def test_yaml_says_on_which_line(kind: AnyKind) -> None:
    async def story(client: httpx2.AsyncClient, _: FakeStore) -> None:
        yaml = {"Content-Type": "application/yaml"}
        # JSON is YAML, but for its line breaks.
        text = json.dumps(unnamed(kind), indent=1).replace("{", "{ # a comment", 1)
        assert (await client.put(path(kind), content=text, headers=yaml)).status_code == 201
        worse = text.rstrip("}\n") + ',\n "colour": "red"}'
        refused = await client.put(path(kind), content=worse, headers=yaml)
        assert refused.json()["errors"][0]["detail"].startswith(f"line {worse.count(chr(10)) + 1}: ")

    tell(story)


@written_kinds
def test_a_store_that_cannot_write_leaves_nothing_behind(kind: AnyKind) -> None:
    async def story(client: httpx2.AsyncClient, store: FakeStore) -> None:
        store.fail_with = StoreError("the disk is full")
        assert (await client.post(f"/v1/{kind.plural}", json=kind.example)).status_code == 503
        store.fail_with = None
        assert (await client.get(path(kind))).status_code == 404
        await client.post(f"/v1/{kind.plural}", json=kind.example)
        store.fail_with = StoreError("the disk is full")
        assert (await client.delete(path(kind))).status_code == 503
        store.fail_with = None
        assert (await client.get(path(kind))).status_code == 200

    tell(story)


@written_kinds
def test_it_is_watched_and_counted(kind: AnyKind) -> None:
    async def story() -> None:
        service = Service(FakeStore(), kinds=ALL)
        resources = service.written[kind.plural]
        name = kind.example[kind.id_key]
        await resources.create(kind.example)
        watch = service.feed.watch(kind.plural, None)
        await resources.delete(name)
        told = [json.loads(message.body) for message in await watch.take()]
        assert [event["type"] for event in told] == ["ADDED", "BOOKMARK", "DELETED"]
        assert {kind.load(event["object"]).name for event in told if event["object"]} == {name}
        resumed = service.feed.watch(kind.plural, told[0]["revision"])
        assert [message.type for message in await resumed.take()] == ["DELETED"]
        assert f"netpersona_{kind.plural} 0.0" in service.metrics.text().decode()

    asyncio.run(story())


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.noun)
def test_it_is_documented(kind: AnyKind) -> None:
    document = create_app(Service(FakeStore(), kinds=ALL), NoAuth()).openapi()
    within = f"/v1/{kind.within}s/{{{kind.within}_id}}" if kind.within else "/v1"
    one = document["paths"][f"{within}/{kind.plural}/{{{kind.id_key}}}"]
    answer = document["components"]["schemas"][kind.noun.capitalize()]
    assert one["get"]["responses"]["200"]["content"]["application/json"]["schema"]["$ref"].endswith(
        f"/{kind.noun.capitalize()}"
    )
    assert answer["description"] == kind.doc
    assert kind.state.model_fields.keys() <= answer["properties"].keys()
    if kind.verbs == WRITTEN:
        body = one["put"]["requestBody"]["content"]["application/json"]
        assert body["example"] == unnamed(kind)
        assert body["schema"]["$ref"].rpartition("/")[2] in document["components"]["schemas"]


def test_pages_go_on_where_they_ended() -> None:
    async def story(client: httpx2.AsyncClient, _: FakeStore) -> None:
        for number in range(5):
            await client.post("/v1/labels", json={"label_id": f"l{number}", "text": "x"})
        names, cursor = [], ""
        while cursor is not None:
            page = (
                await client.get(
                    "/v1/labels", params={"limit": 2, **({"continue": cursor} if cursor else {})}
                )
            ).json()
            names += [item["label_id"] for item in page["items"]]
            cursor = page["continue"]
        assert names == [f"l{number}" for number in range(5)]

    tell(story)


class NoteSpec(Frozen):
    """Something said about a label."""

    label: Text


NOTE: Kind[NoteSpec, Nothing] = Kind(
    noun="note",
    plural="notes",
    id_key="note_id",
    doc="Something said about a label.",
    spec=NoteSpec,
    state=Nothing,
    read=reader(NoteSpec, "note_id"),
    references=lambda note: (Ref("labels", note.label),),
    example={"note_id": "n", "label": "note"},
)


def test_what_is_referred_to_exists_and_stays() -> None:
    async def story() -> None:
        service = Service(FakeStore(), kinds=(*ALL, NOTE))
        notes, labels = service.written["notes"], service.written["labels"]
        with pytest.raises(Unprocessable, match="none of labels called note"):
            await notes.create(NOTE.example)
        await labels.create(LABEL.example)
        await notes.create(NOTE.example)
        with pytest.raises(Conflict, match="label note is in use by n"):
            await labels.delete("note")
        await labels.create({"label_id": "other", "text": "x"})
        await notes.replace("n", {"label": "other"}, ANYHOW)
        await labels.delete("note")
        with pytest.raises(Conflict):
            await labels.delete("other")

    asyncio.run(story())


def test_every_call_says_who_makes_it() -> None:
    """From the listener to the service; what callers may do comes later."""
    heard: list[Caller] = []

    class Listening(Resources[LabelSpec, Nothing]):
        async def create(self, data: object, call: Call = OURS, *, default_name: str | None = None) -> Any:
            heard.append(call.caller)
            return await super().create(data, call, default_name=default_name)

    async def ask(auth: Auth, **headers: str) -> None:
        service = Service(FakeStore(), kinds=ALL)
        service.written["labels"] = Listening(service.context, LABEL)
        transport = httpx2.ASGITransport(create_app(service, auth))
        async with httpx2.AsyncClient(transport=transport, base_url="http://netpersona") as client:
            answer = await client.post("/v1/labels", json=LABEL.example, headers=headers)
            assert answer.status_code == 201

    asyncio.run(ask(NoAuth()))
    asyncio.run(ask(TokenAuth(["other", "s3cret"]), Authorization="Bearer s3cret"))
    assert heard[0] == ROOT
    assert heard[1].over == "token"
    assert "s3cret" not in heard[1].name
