"""`make bench-speed`: models of the true Qwen3 shapes beside the bare llama.cpp loop, in one run.

Both sides take turns over the same tokens. Exit code 0 where every bar is met.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from salecli.bench.bars import bare
from salecli.bench.bars.shape_auction import Row, pool_of, shown, told
from salecli.bench.bars.speed import Subject, speed
from salecli.cli.output import Output

_DECODE, _PREFILL, _AUCTION = 0.95, 0.98, 1.05
_ROUNDS = 5
_SECONDS = 40.0
"""About what one prompt may take."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure the sizes named, and an auction of them."""
    sizes = list(sys.argv[1:] if arguments is None else arguments) or ["0.6B", "4B"]
    output = Output()
    return told(output, lambda: _report(output, sizes))


def _report(output: Output, sizes: Sequence[str]) -> int:
    from salecli.pool import load_pool

    pool = pool_of(sizes, output)
    rows: list[Row] = []
    for agent in load_pool(str(pool)).agents:
        output.story(f"measuring {agent.name}")
        found = speed(Subject(agent.path, agent.context), _ROUNDS, _SECONDS)
        for what, bar in (("decode", _DECODE), ("prefill", _PREFILL)):
            ratio = found[f"{what}_ratio"]
            rows.append((f"{agent.name}: {what}", 1 / found[what], "tok/s", None, None))
            rows.append((f"{agent.name}: {what}, of the bare loop", ratio, "x", bar, ratio >= bar))
        rows.append(
            (f"{agent.name}: most memory", found["peak"] / 1e9, "GB", found["estimate"] / 1e9, _within(found))
        )
    output.story("measuring auctions")
    ratio = bare.apart("salecli.bench.bars.auction", _ROUNDS, pool)[0]["value"]
    rows.append(("auction's model time, of the bare loop", ratio, "x", _AUCTION, ratio <= _AUCTION))
    return shown(output, rows)


def _within(found: dict[str, int]) -> bool:
    """Whether the estimate is an upper bound, and no more than 15 % above."""
    return found["peak"] <= found["estimate"] <= 1.15 * found["peak"]


if __name__ == "__main__":
    sys.exit(main())
