"""Documents as people get them wrong, and as somebody would who means harm: each refused where it is wrong.

What is said fits a terminal: printable, short, with the line and what to write instead.
"""

from __future__ import annotations

import time

import pytest

from netpersona.kinds.persona import InvalidDocument, from_mapping, loads

BOMB = "a0: &a0 [x, x]\n" + "\n".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12))

# What is written below `name: a`, and the place, key and words of the only problem.
KEYS = [
    ("mtu: " + "9" * 5000, "2:1: /mtu: a number of more than 20 digits is above 65535; write 65535 or less"),
    ("mtu: -" + "9" * 5000, "2:1: /mtu: a number of more than 20 digits is below 68; write 68 or more"),
    ("seed: 18446744073709551616", "is above 18446744073709551615"),
    ("mtu: .nan", "nan is not a whole number; write a whole number"),
    ("mtu: .inf", "an infinite number is not a whole number"),
    ("mtu: 1e400", "an infinite number is not a whole number"),
    ("mtu: true", "true is not a whole number"),
    ("mtu: '1400'", "'1400' is not a whole number; write 1400 without quotes"),
    ("mtu: 1400.0", "1400.0 is not a whole number; write a whole number, as 1400"),
    ("mtu: [1400]", "a list is not a whole number"),
    ("mtu: 1_400", "'1_400' is not a whole number"),
    ("MTU: 1400", "2:1: /MTU: unknown key 'MTU'; did you mean mtu?"),
    ("qosPriority: 3", "did you mean qos_priority?"),
    ("rules: []", "did you mean filtering_rules?"),
    ("latncy: 5ms", "'latncy'; write latency below egress or ingress, as in egress: {latency: …}"),
    ("delay: 5ms", "write latency below egress or ingress"),
    ("apiVersion: v1", "unknown key 'apiVersion'; remove it; known here: persona_id, "),
    ("true: 1", "/true: unknown key 'true'"),
    ("~: 1", "/null: unknown key 'null'"),
    ("5: 1", "/5: unknown key '5'"),
    ('"\\e[31mred": 1', "/\\x1b[31mred: unknown key '\\x1b[31mred'"),
    ('"\u202eevil": 1', "/\\u202eevil: unknown key '\\u202eevil'"),
    ('"a\\nb: forged": 1', "/a\\nb: forged: unknown key 'a\\nb: forged'"),
    ('"a/b~c": 1', "/a~1b~0c: unknown key"),
    ('"' + "k" * 900 + '": 1', "kkk…: unknown key 'kkk"),
    ("mtu: 1400\nmtu: 1500", "3:1: /mtu: key given twice; remove it, or the one on line 2"),
    ("persona_id: b", "1:1: /name: name names the persona a second time; remove name or persona_id"),
    ('description: "a\\0b"', "the text holds a NUL character; remove it"),
    ("description: " + "x" * 5000, "longer than 4096 characters"),
    ("description: 5", 'put it in quotes: "5"'),
    ("egress:", "there is nothing where a mapping of keys belongs; write a mapping of keys, or remove it"),
    ("egress: fast", "'fast' is not a mapping of keys"),
    ("egress: {latncy: 5ms}", "2:10: /egress/latncy: unknown key 'latncy'; did you mean latency?"),
    ("egress: {delay: 5ms}", "did you mean latency?"),
    ("egress: {band: 1mbit}", "did you mean bandwidth?"),
    ("egress: {mtu: 1400}", "write mtu one level up, beside persona_id"),
    ("egress: {latency: 5}", "5 has no unit; write a number and ns, us, ms, s, min or h"),
    ("egress: {latency: -5ms}", "'-5ms' is below 0"),
    ("egress: {latency: '1,5ms'}", "'1,5ms' is not a duration; write 1.5ms: decimals stand behind a point"),
    ("egress: {latency: 1:30}", "'1:30' is not a duration"),
    ("egress: {latency: 2024-01-01}", "'2024-01-01' is not a duration"),
    ("egress: {latency: 5MSS}", "'5MSS' has the unit 'MSS', which is not known here"),
    ("egress: {latency: \uff15ms}", "'\uff15ms' is not a duration"),
    ("egress: {latency: 11min}", "660s is outside 0s to 600s"),
    ("egress: {latency: 1e999ms}", "a number of more than 20 digits is outside 0s to 600s"),
    ("egress: {latency: " + "9" * 5000 + "ms}", "a duration of 5,002 characters is too long; write"),
    ("egress: {latency: }", "null is not a duration"),
    ("egress: {jitter: 5ms}", "needs negative delays; remove jitter, or raise latency to 5ms or more"),
    ("egress: {latency: 4ms, jitter: 5ms}", "lower jitter to 4ms or less, or raise latency to 5ms or more"),
    ("egress: {latency: 5ms, jitter: 1ms, distribution: gauss}", "write uniform, normal, pareto, pareto"),
    ("egress: {latency: 5ms, jitter: 1ms, distribution: Normal}", "'Normal' is not known here; write normal"),
    ("egress: {latency: 5ms, jitter: 1ms, correlation: 100%}", "write a percentage below 100%"),
    ("egress: {distribution: table, table: [5ms]}", "fewer than 2 entries"),
    ("egress: {distribution: table, table: 5ms}", "write a list: a hyphen before each entry"),
    ("egress: {bandwidth: 100}", "100 has no unit; write a number and kbit, mbit or gbit"),
    ("egress: {bandwidth: 100kbps}", "'100kbps' has the unit 'kbps', which is not known here"),
    ("egress: {bandwidth: 0}", "a rate of 0 would let nothing through; for no limit leave bandwidth out"),
    ("egress: {bandwidth: 0mbit}", "a rate of 0 would let nothing through"),
    ("egress: {bandwidth: unlimited}", "for no limit leave bandwidth out"),
    ("egress: {bandwidth: 1e300mbit}", "is outside 1kbit to 400gbit"),
    ("egress: {bandwidth: 1mbit, burst: 5kb}", "'5kb' has the unit 'kb', which is not known here; write 5kB"),
    ("egress: {loss: 5}", "5 is outside 0 to 1; for 5 percent write 5%"),
    ("egress: {loss: .nan}", "nan is not a probability"),
    ("egress: {loss: -1%}", "'-1%' is below 0"),
    ("egress: {loss: high}", "'high' is not a probability; write a percentage as in 0.5%"),
    ("egress: {loss: {model: gilbert}}", "there is no such model as gilbert; write gilbert_elliott"),
    ('egress: {loss: {model: "\\e[2J"}}', "there is no such model as \\x1b[2J;"),
    ("security_profile: strict", "write restricted, standard or open, or define one"),
    ("security_profile: Open", "'Open' is not known here; write open"),
    ("security_profile: {}", "add name, as in name: mine"),
    ("established_flows: yes", "'yes' is not known here; write cut or keep"),
    ("routing_profile: Static", "write static"),
    ("filtering_rules: {protocol: tcp}", "a mapping is not a list; write a list: a hyphen before each entry"),
    ("filtering_rules: [null]", "/filtering_rules/0: there is nothing where a mapping of keys belongs"),
    ("filtering_rules: [{proto: tcp}]", "did you mean protocol?"),
    ("filtering_rules: [{dst: 10.0.0.0/8}]", "did you mean destination?"),
    ("filtering_rules: [{protocol: tcp, port: http}]", "'http' is not a port; write a port from 1 to 65535"),
    ("filtering_rules: [{source: 10.0.0.1/8}]", "write 10.0.0.0/8"),
    ("filtering_rules: [" + "{}," * 200 + "]", "more than 128 entries; keep to 128"),
    ("queue_configuration: [{priority: 1}]", "add queue_id, as in queue_id: 0"),
    ("queue_configuration: [{queue_id: 0},{queue_id: 0}]", "write a free one, as 1"),
    ("latencyMs: 5\nsimulated_latency_ms: 4", "keep to one"),
    ("latencyMs: .nan", "nan is not a number; write milliseconds"),
    ("latencyMs: 1e400", "an infinite number is outside 0 to 600,000"),
    ("bandwidthKbps: -1", "-1 is outside 0 to 400,000,000"),
    ("jitterMs: 5", "2:1: /jitterMs: uniform jitter 5ms around latency 0s needs negative delays"),
    ("packetLossPercentage: 5", "write the fraction from 0.0 to 1.0: 1 % is 0.01"),
]  # fmt: skip

# Whole files, and the place and words of the first problem.
TEXTS = [
    ("", "f: there is no persona in it; write one, starting with persona_id: …"),
    ("\ufeff# only a comment\r\n", "f: there is no persona in it"),
    ("---\n---\n", "f: there is no persona in it"),
    ("mtu: 1400", "f:1:1: /persona_id: persona_id is missing; add persona_id, as in persona_id: voip"),
    ("name:", "/name: there is nothing where text belongs"),
    ("name: 5", 'put it in quotes: "5"'),
    ("name: Größe 5!", "write groe-5: lower-case letters, digits, hyphens, up to 63"),
    ("name: ''", "write a-name: lower-case letters"),
    ("root:x:0:0:root:/root:/bin/bash\nbin:x:1:1::/bin/false", "f:1:1: text is not a persona"),
    (
        "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBg\n",
        "f:1:1: text is not a persona; write a mapping of keys",
    ),
    ("- 5", "f:1:3: 5 is not a persona; write a mapping of keys"),
    ("[[{name: a}]]", "f:1:2: a list is not a persona"),
    ("name: a\n<<: {mtu: 1400}", "f:2:1: merge keys (<<) are not part of YAML 1.2; write the keys out"),
    ("egress: *" + "z" * 300, "f:1:9: *zzzzzzzzzzzzzzzzzzzzzzzzzzzzz… stands for nothing yet"),
    ("&a [*a]", "*a stands for nothing yet"),
    (BOMB, "more than 100,000 values"),
    ("[" * 2000, "f:1:33: nested deeper than 32 levels; a persona needs 5 at most"),
    ("{a: " * 2000, "nested deeper than 32 levels"),
    ("name: !!python/object:os.system a", "f:1:7: the tag tag:yaml.org,2002:python/object"),
    ("name: a\negress:\n\tlatency: 5ms", "f:3:1: not YAML: a tab where YAML allows none; indent with spaces"),
    ("name: a\nmtu 1400", "f:2:1: not YAML: a key without a colon; write key: value"),
    ("name: a: b", "f:1:8: not YAML: a second colon in one line; start a new line, or put text"),
    ("name: [a", "not YAML: the brackets do not close here; write a comma, or ] to close"),
    ("name: 'a", "not YAML: a quote that is not closed; write the closing quote"),
    ("name: @a", "f:1:7: not YAML: no plain text starts with @; put the text in quotes"),
    ("name: a\n  mtu: 5\n mtu: 6", "not YAML: "),
    ("name: a\nx: \x01", "f:2:4: not YAML: the character U+0001 may not stand in YAML"),
    ("name: a\n\x1b]0;owned\x07", "f:2:1: not YAML: the character U+001B may not stand in YAML"),
    ("%YAML 9.9\n---\nname: a", "f:1:1: not YAML: "),
    ('{"name": "a", "mtu": NaN}', "/mtu: 'NaN' is not a whole number"),
    ('{"name": "a", "mtu": ' + "9" * 5000 + "}", "/mtu: a number of more than 20 digits is above 65535"),
    ('{"name": "a", "description": "\\ud800"}', "the text holds half of a surrogate pair"),
    ('{"name": "a"}{"name": "b"}', "something follows the end of the document; separate documents by ---"),
    ("name: a\negress: {loss: {p: 1%}}", "/egress/loss/probability: probability is missing"),
    ("name: \ud800", "not YAML: the character U+D800 may not stand in YAML"),
]


def problems(text: str) -> list[str]:
    with pytest.raises(InvalidDocument) as refused:
        loads(text, source="f")
    return [str(problem) for problem in refused.value.problems]


@pytest.mark.parametrize(("key", "said"), KEYS, ids=[key[:40] for key, _ in KEYS])
def test_a_key_that_is_wrong_is_told_once_where_it_is(key: str, said: str) -> None:
    (found,) = problems(f"name: a\n{key}\n")
    assert said in found
    assert found.isprintable()
    assert len(found) < 500


@pytest.mark.parametrize(("text", "said"), TEXTS, ids=[text[:40] for text, _ in TEXTS])
def test_a_file_that_is_no_document_is_told_where(text: str, said: str) -> None:
    first = problems(text)[0]
    assert said in first
    assert first.isprintable()
    assert len(first) < 400


@pytest.mark.parametrize(
    "text",
    [
        "\ufeffname: a\r\nmtu: 1400\r\n",
        "name: a\rmtu: 1400\r",
        "name: a\nmtu:\n",
        "name: a\negress: &link {latency: 5ms}\ningress: *link\n",
        "name: a\nmtu: 01400",
        "{'name': 'a',}",
        "%TAG ! tag:x:\n---\nname: a",
        'name: a\ndescription: "\u202e"',
    ],
)
def test_what_is_merely_odd_is_read(text: str) -> None:
    assert loads(text)[0].persona_id == "a"


def test_a_model_without_its_name_is_told_which() -> None:
    assert "it belongs to a model: add model: four_state" in problems("name: a\negress: {loss: {p13: 1%}}")[1]


def test_only_the_first_hundred_problems_are_told_and_soon() -> None:
    started = time.process_time()
    found = problems("name: a\n" + "\n".join(f"key{i}: 1" for i in range(3000)))
    assert len(found) == 101
    assert found[-1] == "f:102:1: /key100: 2,900 more problems; correct the others first"
    assert time.process_time() - started < 10, "not a search through every key for every other"


@pytest.mark.parametrize("value", [object(), {1: 2}, b"x", {"name": b"a"}, {"name": "a", "mtu": object()}])
def test_what_no_file_holds_is_refused_all_the_same(value: object) -> None:
    with pytest.raises(InvalidDocument):
        from_mapping(value)
