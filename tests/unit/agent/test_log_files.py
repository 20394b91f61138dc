from pathlib import Path

from netpersona.agent.log_files import cap


def lines(count: int) -> bytes:
    return b"".join(b"line %06d\n" % number for number in range(count))


def test_a_log_over_the_bound_keeps_its_newest_lines_whole(tmp_path: Path) -> None:
    log = tmp_path / "manager.log"
    log.write_bytes(lines(1000))
    cap(tmp_path, bound=6000)
    kept = log.read_bytes()
    assert 2900 < len(kept) <= 3000
    assert lines(1000).endswith(b"\n" + kept)


def test_who_appends_goes_on_at_the_end(tmp_path: Path) -> None:
    log = tmp_path / "engine.log"
    with log.open("ab", buffering=0) as writer:
        writer.write(lines(1000))
        cap(tmp_path, bound=6000)
        size = log.stat().st_size
        writer.write(b"later\n")
    assert log.read_bytes()[size:] == b"later\n"


def test_a_small_log_and_other_files_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "agent.log").write_bytes(lines(10))
    (tmp_path / "other").write_bytes(lines(1000))
    cap(tmp_path, bound=6000)
    assert (tmp_path / "agent.log").read_bytes() == lines(10)
    assert (tmp_path / "other").read_bytes() == lines(1000)
