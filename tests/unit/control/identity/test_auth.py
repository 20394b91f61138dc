from __future__ import annotations

from pathlib import Path

import pytest

from netpersona.control.identity.auth import TokenAuth, load_tokens
from netpersona.control.problems import Unauthorized


@pytest.mark.parametrize("header", ["Bearer s3cret", "bearer s3cret", "Bearer  other "])
def test_any_known_token_lets_in(header: str) -> None:
    TokenAuth(["s3cret", "other"]).check("/v1/personas", header)


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer ", "Bearer s3cre", "Basic s3cret", "s3cret", "Bearer é"]
)
def test_nothing_else_does(header: str) -> None:
    with pytest.raises(Unauthorized) as caught:
        TokenAuth(["s3cret"]).check("/v1/personas", header)
    assert "s3cret" not in str(caught.value.document("/"))


def test_probes_need_no_token_and_metrics_do() -> None:
    auth = TokenAuth(["s3cret"])
    auth.check("/healthz", "")
    with pytest.raises(Unauthorized):
        auth.check("/metrics", "")


def test_the_first_start_makes_a_token_only_its_owner_can_read(tmp_path: Path) -> None:
    tokens, made = load_tokens(tmp_path / "token")
    assert made
    assert len(tokens[0]) >= 40
    assert (tmp_path / "token").stat().st_mode & 0o777 == 0o600
    assert load_tokens(tmp_path / "token") == (tokens, False)


def test_a_token_file_holds_comments_and_several_tokens(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("# ops\none\n\ntwo # ci\n")
    assert load_tokens(tmp_path / "token")[0] == ["one", "two"]
    (tmp_path / "token").write_text("# nothing\n")
    with pytest.raises(ValueError, match="remove it"):
        load_tokens(tmp_path / "token")
