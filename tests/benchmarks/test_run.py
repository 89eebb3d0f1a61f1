"""The benchmarks still run and measure what they say; how fast anything is, no test decides."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(FOLDER / "run.py"), *arguments], capture_output=True, text=True, check=False
    )


def rows(text: str) -> dict[str, str]:
    """Name -> ratio."""
    cells = [line.split("  ") for line in text.splitlines() if line.startswith("  ")]
    found = [[cell.strip() for cell in row if cell.strip()] for row in cells]
    return {row[0]: row[2] for row in found if len(row) > 2 and row[0] != "median"}


def test_start_up_is_measured_against_the_interpreter() -> None:
    done = bench("startup", "--rounds", "1")
    assert done.returncode == 0, done.stderr
    found = rows(done.stdout)
    assert found["python -c pass"] == "1.00"
    assert {"xmppctl --help", "xmppctl --version", "complete a command"} <= set(found)
    assert all(float(ratio) > 0 for ratio in found.values())


def test_streams_measures_the_splitter_and_every_renderer() -> None:
    done = bench("streams", "--rounds", "1", "--messages", "300")
    assert done.returncode == 0, done.stderr
    found = rows(done.stdout)
    assert found["lxml XMLPullParser"] == "1.00"
    assert {"splitter", "jsonl", "xml", "pretty", "line"} <= set(found)


def test_recordings_measures_replaying_and_recording() -> None:
    done = bench("recordings", "--rounds", "1", "--messages", "300")
    assert done.returncode == 0, done.stderr
    found = rows(done.stdout)
    assert found["lxml XMLPullParser"] == "1.00"
    assert {"jsonl", "jsonl, 3 terms select 1 in 100", "pretty", "split and record"} <= set(found)


def test_a_missed_target_fails_only_where_that_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(FOLDER))
    from measure import Row, Target  # type: ignore[import-not-found]

    assert "MISSED" in str(Row("slow", "9 ms", 9.0, Target(most=6)))
    assert "MISSED" in str(Row("slow", "9 k/s", 0.1, Target(least=0.5)))
    assert "reached" in str(Row("fast", "9 ms", 6.0, Target(most=6)))


def test_the_stream_is_what_the_table_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(FOLDER))
    import streams  # type: ignore[import-not-found]

    assert {len(streams.message(number)) for number in (0, 1, 99_999_999)} == {330}
    assert streams.selected_by_terms(500) == 5


def test_another_name_is_a_usage_error() -> None:
    done = bench("nonsense")
    assert done.returncode == 2
    assert "startup, send, attached, roster, lines, keys, streams, recordings" in done.stderr


@pytest.mark.integration
def test_send_is_measured_or_says_why_not() -> None:
    done = bench("send", "--rounds", "1")
    assert done.returncode == 0, done.stderr
    assert "skipped" in done.stdout or "xmppctl send" in rows(done.stdout)
