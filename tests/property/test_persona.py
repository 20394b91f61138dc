"""Any valid persona survives dump and load and compiles; no input whatever ends in a traceback."""

import json
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from netpersona.kinds.persona import (
    InvalidDocument,
    Problem,
    compile_persona,
    diff,
    dump,
    explain,
    from_mapping,
    json_schema,
    layout,
    loads,
    to_mapping,
)

Json = dict[str, Any]
Place = tuple[str | int, ...]

names = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True)
texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40)
fractions = st.floats(0, 1)
percentages = st.integers(0, 10_000).map(lambda n: f"{n / 100}%")
probabilities = fractions | percentages
chances = probabilities | st.fixed_dictionaries(
    {"probability": probabilities, "correlation": st.floats(0, 0.99)}
)
durations = st.integers(0, 6 * 10**8).map(lambda us: f"{us / 1000}ms") | st.sampled_from(
    ["0s", "10min", "1ns", "1.5s"]
)
rates = st.integers(1, 4 * 10**8).map(lambda kbit: f"{kbit}kbit") | st.sampled_from(["1.5mbit", "400gbit"])


@st.composite
def gilbert_elliott(draw: st.DrawFn) -> Json:
    keys = {"p": probabilities, "r": probabilities}
    return draw(
        st.fixed_dictionaries(
            {"model": st.just("gilbert_elliott"), **keys},
            optional={"loss_good": probabilities, "loss_bad": probabilities},
        )
    )


@st.composite
def four_state(draw: st.DrawFn) -> Json:
    p13, p31, p23 = (draw(fractions) for _ in range(3))
    p14, p32 = (draw(st.floats(0, 1)) * (1 - p) * 0.999 for p in (p13, p31))
    return {"model": "four_state", "p13": p13, "p31": p31, "p32": p32, "p23": p23, "p14": p14}


@st.composite
def delays(draw: st.DrawFn) -> Json:
    kind = draw(st.sampled_from(["none", "constant", "table", "uniform", "normal", "pareto", "paretonormal"]))
    if kind == "none":
        return {}
    if kind == "constant":
        return {"latency": draw(durations)}
    correlation = draw(st.just({}) | st.fixed_dictionaries({"correlation": st.floats(0, 0.99)}))
    if kind == "table":
        return {
            "distribution": "table",
            "table": draw(st.lists(durations, min_size=2, max_size=300)),
            **correlation,
        }
    limit = {"uniform": 1.0, "normal": 0.99, "pareto": 1.7, "paretonormal": 1.6}[kind]
    latency = draw(st.integers(2, 600 * 10**9))
    jitter = draw(st.integers(1, min(max(1, int(latency * limit)), 600 * 10**9)))
    return {"latency": f"{latency}ns", "jitter": f"{jitter}ns", "distribution": kind, **correlation}


@st.composite
def links(draw: st.DrawFn) -> Json:
    link = draw(delays())
    if "latency" in link and link["latency"] not in ("0s", "0.0ms"):
        link |= draw(st.sampled_from([{}, {"order": "free"}, {"reorder": "1%"}]))
    link |= draw(st.fixed_dictionaries({}, optional={"duplicate": chances, "corrupt": chances}))
    lossless: st.SearchStrategy[Json] = st.just({})
    link |= draw(lossless | st.fixed_dictionaries({"loss": chances | gilbert_elliott() | four_state()}))
    if draw(st.booleans()):
        link["bandwidth"] = draw(rates)
        optional = {"burst": st.integers(66_000, 2**32), "queue_length": st.integers(1, 10**6)}
        link |= draw(st.fixed_dictionaries({}, optional=optional))
    return link


ports = st.integers(1, 65535) | st.tuples(st.integers(1, 65535), st.integers(1, 65535)).map(
    lambda pair: f"{min(pair)}-{max(pair)}"
)
prefixes = st.ip_addresses(v=4).map(str) | st.sampled_from(["10.0.0.0/8", "0.0.0.0/0"])
prefixes6 = st.ip_addresses(v=6).map(str) | st.sampled_from(["2001:db8::/32", "::/0"])


@st.composite
def rules(draw: st.DrawFn) -> Json:
    rule: Json = draw(
        st.fixed_dictionaries(
            {},
            optional={
                "direction": st.sampled_from(["egress", "ingress", "both"]),
                "action": st.sampled_from(["forward", "drop"]),
            },
        )
    )
    if draw(st.booleans()):
        rule["protocol"] = draw(st.sampled_from(["tcp", "udp", "any"]))
        rule |= draw(st.fixed_dictionaries({}, optional={"port": ports, "source_port": ports}))
    else:
        rule["protocol"] = draw(st.sampled_from(["icmp", 47, 58, 255]))
    family = prefixes6 if rule["protocol"] == 58 else draw(st.sampled_from([prefixes, prefixes6]))
    return rule | draw(st.fixed_dictionaries({}, optional={"source": family, "destination": family}))


rule_lists = st.lists(rules(), max_size=4)
openings = st.lists(st.fixed_dictionaries({"protocol": st.just("tcp"), "port": ports}), max_size=4)
coalescing = st.fixed_dictionaries(
    {},
    optional={
        "rx_usecs": st.integers(0, 10**6),
        "tx_frames": st.integers(0, 65535),
        "adaptive": st.booleans(),
    },
)
queues = st.lists(
    st.fixed_dictionaries(
        {"queue_id": st.integers(0, 15)},
        optional={
            "priority": st.integers(0, 7),
            "queue_length": st.integers(1, 10**6),
            "filtering_rules": rule_lists,
            "interrupt_coalescing": coalescing,
        },
    ),
    max_size=3,
    unique_by=lambda queue: queue["queue_id"],
)
documents = st.fixed_dictionaries(
    {"persona_id": names},
    optional={
        "description": texts,
        "qos_priority": st.integers(1, 10),
        "dscp": st.integers(0, 63) | st.sampled_from(["ef", "af11", "cs0"]),
        "security_profile": st.sampled_from(["restricted", "standard", "open"])
        | st.fixed_dictionaries({"name": names}, optional={"incoming": openings}),
        "established_flows": st.sampled_from(["cut", "keep"]),
        "default_action": st.sampled_from(["forward", "drop"]),
        "mtu": st.integers(68, 65535),
        "egress": links(),
        "ingress": links(),
        "routing_profile": st.just("static"),
        "filtering_rules": rule_lists,
        "queue_configuration": queues,
        "interrupt_coalescing": coalescing,
        "channels": st.fixed_dictionaries({}, optional={"combined": st.integers(1, 4096)}),
        "rings": st.fixed_dictionaries({}, optional={"rx": st.integers(1, 65536)}),
        "rss": st.fixed_dictionaries({}, optional={"weights": st.lists(st.integers(1, 9), min_size=1)}),
        "offloads": st.dictionaries(st.sampled_from(["tso", "gro", "rx-checksum"]), st.booleans()),
        "txqueuelen": st.integers(0, 10**6),
        "seed": st.integers(0, 2**64 - 1),
        "in_flight": st.sampled_from(["keep", "drain", "flush"]),
        "engine_failure": st.sampled_from(["open", "closed"]),
    },
)
slow = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


@slow
@given(documents)
def test_load_dump_load_is_equal_in_both_formats(document: Json) -> None:
    persona = from_mapping(document)
    assert from_mapping(to_mapping(persona)) == persona
    assert loads(dump(persona, "yaml")) == [persona]
    assert loads(dump(persona, "json"), format="json") == [persona]
    assert loads(json.dumps(document), format="json") == [persona]


@slow
@given(documents)
def test_a_valid_persona_compiles_and_is_explained(document: Json) -> None:
    persona = from_mapping(document)
    compiled = compile_persona(persona)
    assert compiled == compile_persona(from_mapping(to_mapping(persona)))
    assert str(explain(persona)).startswith(persona.persona_id)
    conditions = layout.Conditions.from_buffer_copy(compiled.conditions)
    for link in conditions.link:
        points = [(point.p, point.x) for point in link.delay.table[: link.delay.points]]
        assert all(p < q and x < y for (p, x), (q, y) in pairwise(points))
        assert not points or (points[0][0], points[-1][0]) == (0, 2**32 - 1)


@slow
@given(documents, documents)
def test_a_diff_is_empty_only_between_equals(first: Json, second: Json) -> None:
    before, after = from_mapping(first), from_mapping(second)
    assert bool(diff(before, after)) == (before != after)


def every_key() -> list[str]:
    """Keys of every part of the model and of the flat spellings."""
    schema = json_schema()
    return sorted({key for part in schema["$defs"].values() for key in part.get("properties", {})})


scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([10**400, -(10**4000), 0.5, 1e-320, float("inf"), float("-inf"), float("nan")])
    | st.text(max_size=10)
    | st.sampled_from(
        ["1%", "10ms", "1mbit", "tcp", "open", "gilbert_elliott", "four_state", "table", "\ud800", "1e999"]
    )
)
keys = st.sampled_from([*every_key(), "nonsense", "\ud800", ""]) | st.text(max_size=5)
data = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=20,
)


def refused_or_loaded(load: Callable[..., object], *arguments: object) -> None:
    """Run a loader; what it refuses has to say why and what to do, in text that can be encoded."""
    problems: tuple[Problem, ...] = ()
    try:
        load(*arguments)
    except InvalidDocument as error:
        problems = error.problems or pytest.fail("refused without a problem")
    for problem in problems:
        assert problem.message
        assert problem.remedy
        str(problem).encode()


@slow
@given(data | st.dictionaries(keys, data, max_size=6))
def test_no_mapping_ends_in_a_traceback(value: object) -> None:
    refused_or_loaded(from_mapping, value)


@slow
@given(st.dictionaries(keys | st.integers() | st.none() | st.tuples(st.integers()), scalars, max_size=4))
def test_no_key_that_is_not_text_ends_in_a_traceback(value: object) -> None:
    refused_or_loaded(from_mapping, value)


@slow
@given(st.binary(max_size=200) | st.text(max_size=200))
def test_no_bytes_end_in_a_traceback(content: bytes | str) -> None:
    refused_or_loaded(loads, content)


def all_the_way(value: Any) -> None:
    """From a document to slots, words, differences and back."""
    persona = from_mapping(value)
    compile_persona(persona)
    str(explain(persona))
    assert not diff(persona, persona)
    assert diff(None, persona)
    assert diff(persona, None)
    assert loads(dump(persona, "yaml"), format="yaml") == [persona]
    assert loads(dump(persona, "json"), format="json") == [persona]


def places(value: Any, path: Place = ()) -> Iterator[Place]:
    """Every place in a document."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    yield path
    for key, part in inner:
        yield from places(part, (*path, key))


def replaced(value: Any, path: Place, new: Any) -> Any:
    """A copy of a document with another value at one place."""
    if not path:
        return new
    copy: Any = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = replaced(value[path[0]], path[1:], new)
    return copy


@slow
@given(documents, st.data())
def test_no_value_in_a_valid_document_ends_in_a_traceback(document: Json, chosen: st.DataObject) -> None:
    path = chosen.draw(st.sampled_from(list(places(document))))
    refused_or_loaded(all_the_way, replaced(document, path, chosen.draw(data)))


TOKENS = (
    [
        "\n",
        " ",
        "  ",
        "- ",
        ": ",
        "? ",
        "{",
        "}",
        "[",
        "]",
        ",",
        "&a ",
        "*a",
        "!!str ",
        "!x ",
        "|\n",
        ">\n",
        "---\n",
    ],
    [
        "...\n",
        "%YAML 1.1\n",
        "%TAG ! x\n",
        "'",
        '"',
        "\\",
        "\t",
        "#",
        "<<",
        "0x",
        "1e",
        "~",
        ".inf",
        "1_0",
        "\ufeff",
    ],
    ["persona_id", "egress", "loss", "a", "1", "\x85", "\u2028", "\\u", "\\x", "\\UFFFFFFFF"],
)
syntax = st.lists(st.sampled_from([token for group in TOKENS for token in group]), max_size=25).map("".join)


@slow
@given(syntax)
def test_no_yaml_or_json_like_text_ends_in_a_traceback(text: str) -> None:
    refused_or_loaded(loads, text)


@slow
@given(data)
def test_no_json_ends_in_a_traceback(value: object) -> None:
    try:
        text = json.dumps(value)
    except ValueError:  # Python refuses to write integers of more than 4300 digits
        return
    refused_or_loaded(lambda: loads(text, format="json"))


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, "- " * 50_000, "&a " * 1000, "{" * 5000])
def test_no_depth_ends_in_a_traceback(text: str) -> None:
    refused_or_loaded(loads, text)
