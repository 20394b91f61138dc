from __future__ import annotations

import pytest

from netpersona.control.http.bodies import DEPTH_BOUND, check_tree, parse_json
from netpersona.control.problems import BadRequest, Refusal, Unprocessable


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"  ",
        b"{",
        b"{'a': 1}",
        b'{"a": NaN}',
        b'{"a": -Infinity}',
        b'{"a": 1, "a": 2}',
        b'{"a": "\xff"}',
        b"\x00",
        b'{"a": ' + b"9" * 5000 + b"}",
        b'{"a": 1} x',
    ],
)
def test_what_is_no_json_is_a_bad_request(data: bytes) -> None:
    with pytest.raises(BadRequest) as caught:
        parse_json(data)
    assert caught.value.errors[0].remedy


@pytest.mark.parametrize(
    ("data", "pointer"),
    [
        (b'{"a": {"b": ["x", "\\u0000"]}}', "/a/b/1"),
        (b'{"a/b~": "\\ud800"}', "/a~1b~0"),
        (b'{"a": 1e999}', "/a"),
        (b"-1e999", ""),
        (b'[1, {"b": [2.5, 1e999]}]', "/1/b/1"),
    ],
)
def test_values_that_cannot_be_kept_are_pointed_at(data: bytes, pointer: str) -> None:
    with pytest.raises(Unprocessable) as caught:
        parse_json(data)
    assert [error.pointer for error in caught.value.errors] == [pointer]


@pytest.mark.parametrize("depth", [DEPTH_BOUND + 2, 100_000])
def test_deep_nesting_is_refused_at_any_depth(depth: int) -> None:
    with pytest.raises(Refusal, match="nested deeper"):
        parse_json(b"[" * depth + b"]" * depth)


@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_the_deepest_nesting_that_is_kept(opening: bytes, closing: bytes) -> None:
    parse_json(opening * DEPTH_BOUND + b"0" + closing * DEPTH_BOUND)
    with pytest.raises(Refusal, match="nested deeper"):
        parse_json(opening * (DEPTH_BOUND + 1) + b"0" + closing * (DEPTH_BOUND + 1))


def test_every_place_is_reported() -> None:
    with pytest.raises(Unprocessable) as caught:
        check_tree({"a": "\0", "b": ["\0"]})
    assert [error.pointer for error in caught.value.errors] == ["/a", "/b/0"]


def test_a_byte_order_mark_is_no_error() -> None:
    assert parse_json(b'\xef\xbb\xbf{"a": 1}') == {"a": 1}
