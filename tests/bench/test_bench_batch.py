"""The long batch's rows, over a few tasks: that it is measured, and that nothing piles up."""

from __future__ import annotations

import pytest

from salecli.bench.bars import batch


@pytest.mark.docker
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_short_batch_piles_nothing_up() -> None:
    rows = batch.rows(6)
    memory, children, seconds, handles, mean = rows
    assert memory["ok"], memory
    assert children["ok"], children
    assert handles["ok"], handles
    # How long a task takes is the machine's affair here.
    assert seconds["value"] > 0
    assert mean["value"] > 0
