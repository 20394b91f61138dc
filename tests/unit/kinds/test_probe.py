"""Probes as people write them: data that leads to one address and nowhere else."""

from __future__ import annotations

import pytest

from netpersona.kinds.errors import Refused
from netpersona.kinds.probe import canonical


@pytest.mark.parametrize(
    ("text", "is_"),
    [
        ("ping:10.0.0.1", "ping:10.0.0.1"),
        ("ping:FD00::0001", "ping:fd00::1"),
        ("tcp:10.0.0.1:443", "tcp:10.0.0.1:443"),
        ("tcp:[fd00::1]:443", "tcp:[fd00::1]:443"),
        ("http://10.0.0.1", "http://10.0.0.1:80/"),
        ("http:http://10.0.0.1/health", "http://10.0.0.1:80/health"),
        ("http://[fd00::1]:8080/a?b=c", "http://[fd00::1]:8080/a?b=c"),
    ],
)
def test_each_has_one_way_to_be_written(text: str, is_: str) -> None:
    assert canonical(text) == is_ == canonical(is_)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ping",
        "ping:",
        "ping:example.org",
        "ping:10.0.0.1; reboot",
        "ping:-f 10.0.0.1",
        "ping:127.0.0.1",
        "ping:::1",
        "ping:::ffff:10.0.0.1",
        "ping:fe80::1%eth0",
        "ping:224.0.0.1",
        "ping:255.255.255.255",
        "ping:0.0.0.0",
        "ping:010.0.0.1",
        "tcp:10.0.0.1",
        "tcp:10.0.0.1:0",
        "tcp:10.0.0.1:65536",
        "tcp:10.0.0.1:٤٤",
        "tcp:fd00::1:443",
        "http:10.0.0.1",
        "http:/etc/passwd",
        "http:file:///etc/passwd",
        "file:///etc/passwd",
        "https://10.0.0.1/",
        "http://user@10.0.0.1/",
        "http://localhost/",
        "http://10.0.0.1/a b",
        "http://10.0.0.1/\r\nX: y",
        "http://10.0.0.1/#part",
        "http://10.0.0.1:80:80/",
        "http://10.0.0.1?a",
        "http://10.0.0.1/" + "a" * 400,
        "exec:reboot",
    ],
)
def test_what_leads_elsewhere_is_refused_with_what_to_write(text: str) -> None:
    with pytest.raises(Refused) as caught:
        canonical(text)
    assert caught.value.remedy
