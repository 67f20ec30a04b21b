"""The table of guards is in step with the program; `make guards` does the work."""

from __future__ import annotations

import pytest

from tests import faults
from tests.guard_table import Guard
from tests.guards import ALL, ROOT


@pytest.mark.parametrize("guard", ALL, ids=lambda guard: f"{guard.file}: {guard.what}")
def test_a_guard_stands_where_the_table_says(guard: Guard) -> None:
    text = (ROOT / guard.file).read_text(encoding="utf-8")
    assert text.count(guard.old) == 1, "tests/guard_table.py names a passage that is not there, or not once"
    without = text.replace(guard.old, guard.new)
    assert without != text
    compile(without, guard.file, "exec")
    path, _, name = guard.test.partition("::")
    assert f"def {name}(" in (ROOT / path).read_text(encoding="utf-8") or not name


def test_there_are_many() -> None:
    assert len(ALL) >= 25
    assert len({(guard.file, guard.old, guard.new) for guard in ALL}) == len(ALL)


def test_every_promise_has_tests() -> None:
    found = faults.files()
    assert [promise for promise, paths in found.items() if not paths and "other" not in promise] == []
    tried = {path for paths in found.values() for path in paths}
    for folder in ("sandbox", "fuzz"):
        for path in (ROOT / "tests" / folder).glob("test_*.py"):
            assert str(path.relative_to(ROOT)) in tried
