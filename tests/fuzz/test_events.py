"""Events: every one that can be made comes back from its JSON as it was; everything else is a ValueError."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from salecli.adapters.journal import JOURNAL, Run
from salecli.core import events
from salecli.errors import UsageError
from tests.fuzz.hostile import TEXT, grows_in_proportion, made_or

KINDS = sorted({kind.__name__: kind for kind in events.Event.__subclasses__()}.items())
st.register_type_strategy(str, TEXT)
st.register_type_strategy(Mapping, st.dictionaries(TEXT, st.floats(allow_nan=False, allow_infinity=False)))
st.register_type_strategy(float, st.floats(allow_nan=False, allow_infinity=False))


@pytest.mark.parametrize("name", [name for name, _ in KINDS])
def test_an_event_survives_its_journal(name: str) -> None:
    @given(st.from_type(dict(KINDS)[name]))
    def survives(event: events.Event) -> None:
        line = json.dumps({**events.to_dict(event), "_at": 1.5}, separators=(",", ":"))
        assert line.isascii()
        assert events.from_dict(json.loads(line)) == event

    survives()


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
FIELDS = (
    "task",
    "agent",
    "refined",
    "text",
    "bid",
    "mark",
    "score",
    "patch",
    "verdict",
    "step",
    "usage",
    "reason",
    "_at",
)
RECORDS = st.builds(
    lambda name, fields: {**fields, "event": name},
    st.sampled_from([name for name, _ in KINDS]) | TEXT,
    st.dictionaries(st.sampled_from(FIELDS) | TEXT, JSON, max_size=6),
)


@given(RECORDS)
@example({"event": "Event", "task": "x"})
@example({"event": ["Marked"]})
def test_any_record_is_an_event_or_a_value_error(record: dict[str, Any]) -> None:
    assert isinstance(made_or(ValueError, lambda: events.from_dict(record)), events.Event | ValueError)


@given(
    st.lists(
        RECORDS.map(json.dumps).map(str.encode)
        | JSON.map(json.dumps).map(str.encode)
        | st.binary(max_size=80),
        max_size=4,
    )
)
@example([b"[" * 5000, b"{}"])
@example([b'{"event":"Paused","task":"x","_at":null}', b"{}"])
@example([b"[]", b"{}"])
def test_any_journal_is_read_or_refused(tmp_path: Path, lines: list[bytes]) -> None:
    (tmp_path / JOURNAL).write_bytes(b"\n".join(lines))
    made = made_or(UsageError, lambda: list(Run(tmp_path).read()))
    if isinstance(made, UsageError):
        assert ", line " in made.message


@pytest.mark.parametrize("unit", ["x", "\x1b", "\udcff", "é\n"])
def test_time_grows_with_the_event(unit: str) -> None:
    def there_and_back(text: str) -> None:
        line = json.dumps(events.to_dict(events.WorkToken("t", "a", text)))
        assert events.from_dict(json.loads(line)) == events.WorkToken("t", "a", text)

    grows_in_proportion(there_and_back, unit)
