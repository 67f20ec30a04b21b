"""The main job: one practice task from issue to verdict, and what its auction costs over bare llama.cpp."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from salecli.bench.bars import bare
from salecli.bench.passing import Passing
from salecli.core.calls import Choice, Limits, Token, Turn, Usage
from salecli.core.ports import Model

if TYPE_CHECKING:
    from salecli.adapters.llama_native import Sequence0
    from salecli.core.agent import Pool

Row = dict[str, Any]

RUNS = 3
ROUNDS = 15
LEVEL, SEED = 2, 11


def rows() -> list[Row]:
    """All rows of this module; the auction's own are computed in a process with a model's environment."""
    return [whole(), *bare.apart("salecli.bench.bars.auction", ROUNDS)]


def whole() -> Row:
    """Wall time of `sale solve` on one practice task, warm: auction, work and verdict; median of three."""
    with tempfile.TemporaryDirectory() as folder:
        home, shop = Path(folder, "home"), Path(folder, "shop")
        environment = {**os.environ, "XDG_DATA_HOME": str(home)}
        new = ["practice", "new", str(shop), "--level", str(LEVEL), "--seed", str(SEED)]
        _sale(new, Path(folder), environment)
        _sale(["solve", "issue.md"], shop, environment)  # warms the page cache, and fills the memory
        seconds = statistics.median(_sale(["solve", "issue.md"], shop, environment) for _ in range(RUNS))
    return _row("practice task, warm: auction, work, verdict", seconds, "s", 15.0)


def _row(name: str, value: float, unit: str, bar: float) -> Row:
    return {"name": name, "value": round(value, 4), "unit": unit, "bar": bar, "ok": value <= bar}


def _sale(arguments: list[str], folder: Path, environment: dict[str, str]) -> float:
    """Seconds that a run of `sale` took; a run that ended for any other reason than the tests is an error."""
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "salecli", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode not in (0, 1):
        raise RuntimeError(f"sale {' '.join(arguments)} ended with {done.returncode}:\n{done.stderr}")
    return time.perf_counter() - began


@dataclass(frozen=True, slots=True)
class Call:
    """A call to a model that was made."""

    seconds: float
    """What the asking one waited."""
    again: Callable[[], float]
    """Repeats it with bare llama.cpp: its seconds."""
    evaluated: float | None = None
    """Of a judge: the prompt tokens that it evaluated, over prefix + plans."""


class Floor:
    """A practice model in this process: repeats calls with llama.cpp's functions alone."""

    def __init__(self, sequence: Sequence0) -> None:
        from salecli.adapters.chatml import Chat

        self._sequence = sequence
        self._chat = Chat.of(sequence.vocabulary)

    def stream(self, turns: Sequence[Turn], drawn: Sequence[int], limits: Limits, usage: Usage) -> float:
        """Seconds for the same prompt tokens, evaluated as far as they were, and the same drawn ones."""
        prompt = self._chat.open(turns)
        _same(len(prompt), usage.prompt)
        return bare.generate(self._sequence, prompt, usage.evaluated, drawn, limits)

    def choose(
        self, prefix: Sequence[Turn], endings: Sequence[Sequence[Turn]], choices: Sequence[Choice]
    ) -> float:
        """Seconds for the same prompts, evaluated as far as they were."""
        common, plans = self._chat.closed(prefix), [self._chat.open(ending) for ending in endings]
        for plan, choice in zip(plans, choices, strict=True):
            _same(len(common) + len(plan), choice.usage.prompt)
        first = choices[0].usage
        return bare.read_next(self._sequence, common, plans, first.prompt - first.evaluated)

    def evaluated(
        self, prefix: Sequence[Turn], endings: Sequence[Sequence[Turn]], choices: Sequence[Choice]
    ) -> float:
        """Prompt tokens that a judge evaluated, over prefix + endings."""
        plans = sum(len(self._chat.open(ending)) for ending in endings)
        return sum(one.usage.evaluated for one in choices) / (len(self._chat.closed(prefix)) + plans)


def _same(ours: int, theirs: int) -> None:
    if ours != theirs:
        raise RuntimeError(f"a prompt of {theirs} tokens is one of {ours} here: the loops cannot be compared")


class Recorded(Passing):
    """A model whose every call is timed as the asking one waits for it, and noted."""

    def __init__(self, model: Model, floor: Floor) -> None:
        super().__init__(model)
        self._floor = floor
        self.calls: list[Call] = []

    def stream(self, turns: Sequence[Turn], limits: Limits) -> Generator[Token, None, Usage]:
        """The model's own; what the asking one does between two tokens counts as well."""
        drawn: list[int] = []
        began = time.perf_counter()
        stream = self._model.stream(turns, limits)
        try:
            while True:
                token = next(stream)
                drawn.append(token.id)
                yield token
        except StopIteration as stop:
            usage: Usage = stop.value
        finally:
            stream.close()
        seconds = time.perf_counter() - began
        self.calls.append(Call(seconds, partial(self._floor.stream, turns, drawn, limits, usage)))
        return usage

    def choose(
        self,
        prefix: Sequence[Turn],
        endings: Sequence[Sequence[Turn]],
        options: Sequence[str],
        deadline: float | None = None,
    ) -> list[Choice]:
        """The model's own."""
        began = time.perf_counter()
        choices = self._model.choose(prefix, endings, options, deadline)
        seconds = time.perf_counter() - began
        again = partial(self._floor.choose, prefix, endings, choices)
        self.calls.append(Call(seconds, again, self._floor.evaluated(prefix, endings, choices)))
        return choices


def measure(rounds: int, pool_name: str = "practice") -> list[Row]:
    """Real auctions of a pool on practice tasks, each followed by its bare repetition; in this process.

    The figures do not depend on what the models have learned: whatever they say is repeated.
    """
    from salecli.build import market
    from salecli.config import Settings
    from salecli.fitted import seen
    from salecli.pool import load_pool

    spec = load_pool(pool_name)
    with ExitStack() as stack:
        pool = stack.enter_context(market(Settings(), spec))
        models = {}
        for one in spec.agents:
            known = seen(one)
            threads = (known.threads, known.threads_prefill) if known else None
            floor = Floor(stack.enter_context(bare.opened(one.path, one.context, threads=threads)))
            models[one.name] = Recorded(pool.agent(one.name).model, floor)
        pool = replace(pool, agents=tuple(replace(one, model=models[one.name]) for one in pool.agents))
        _auction(pool, SEED)  # loads the models, and warms both sides up
        ratios, shares = [], []
        for seed in range(SEED, SEED + rounds):
            for model in models.values():
                model.calls.clear()
            _auction(pool, seed)
            calls = [call for model in models.values() for call in model.calls]
            ratios.append(sum(call.seconds for call in calls) / sum(call.again() for call in calls))
            shares += [call.evaluated for call in calls if call.evaluated is not None]
    return [
        _row("auction's model time against a bare llama.cpp loop", statistics.median(ratios), "x", 1.10),
        _row(
            "prompt tokens that a judge evaluated in an auction, over prefix + plans", max(shares), "x", 1.0
        ),
    ]


def _auction(pool: Pool, seed: int) -> None:
    """Bids and marks on a practice task."""
    from salecli.core.auction import hold
    from salecli.core.decisions import Decisions
    from salecli.core.round import Round
    from salecli.practice.tasks.curriculum import practice

    for _ in hold(pool, practice(LEVEL, seed).task, None, Decisions(), seed, Round()):
        pass


if __name__ == "__main__":
    sys.stdout.write(json.dumps(measure(int(sys.argv[1]), *sys.argv[2:])))
