"""The auction's rows, measured once: that the bare loop repeats what a real auction did, not how fast."""

from __future__ import annotations

from salecli.bench.bars import bare


def test_an_auction_is_repeated_token_by_token() -> None:
    """A prompt that differs from the model's own raises in the process that measures."""
    ratio, judged = bare.apart("salecli.bench.bars.auction", 1)
    assert 0.1 < ratio["value"] < 100
    # What a judge evaluates is a count, not a time: at most the prefix once, and each plan.
    assert 0.1 < judged["value"] <= 1.0
    assert judged["ok"]
