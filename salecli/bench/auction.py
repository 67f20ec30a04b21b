"""The main job: one practice task from issue to verdict, and what its auction costs over bare llama.cpp."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from salecli.bench import bare
from salecli.core.ports import Model
from salecli.core.values import Choice, Limits, Loaded, Token, Turn, Usage

if TYPE_CHECKING:
    from salecli.adapters.llama_native import Sequence0
    from salecli.core.agent import Pool

Row = dict[str, Any]

RUNS = 3
ROUNDS = 9
LEVEL, SEED = 2, 11


def rows() -> list[Row]:
    """All rows of this module; the auction's own are computed in a process with a model's environment."""
    return [whole(), *bare.apart("salecli.bench.auction", ROUNDS)]


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


@dataclass(slots=True)
class Bidding:
    """A call to `stream` as it was made."""

    turns: Sequence[Turn]
    limits: Limits
    drawn: list[int] = field(default_factory=list)
    usage: Usage = field(default_factory=Usage)
    seconds: float = 0.0


@dataclass(slots=True)
class Marking:
    """A call to `choose` as it was made."""

    prefix: Sequence[Turn]
    endings: Sequence[Sequence[Turn]]
    choices: list[Choice] = field(default_factory=list)
    seconds: float = 0.0


class Recorded:
    """A model that notes what it is asked, and how long the asking one waited for it."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self.calls: list[Bidding | Marking] = []

    @property
    def vocabulary(self) -> int:
        """The model's own."""
        return self._model.vocabulary

    @property
    def loaded(self) -> bool:
        """The model's own."""
        return self._model.loaded

    def load(self) -> Loaded | None:
        """The model's own."""
        return self._model.load()

    def cancel(self) -> None:
        """The model's own."""
        self._model.cancel()

    def stream(self, turns: Sequence[Turn], limits: Limits) -> Generator[Token, None, Usage]:
        """The model's own, noted; what the asking one does between two tokens counts as well."""
        call = Bidding(turns, limits)
        self.calls.append(call)
        began = time.perf_counter()
        stream = self._model.stream(turns, limits)
        try:
            while True:
                token = next(stream)
                call.drawn.append(token.id)
                yield token
        except StopIteration as stop:
            call.usage = stop.value
        finally:
            stream.close()
        call.seconds = time.perf_counter() - began
        return call.usage

    def choose(
        self,
        prefix: Sequence[Turn],
        endings: Sequence[Sequence[Turn]],
        options: Sequence[str],
        deadline: float | None = None,
    ) -> list[Choice]:
        """The model's own, noted."""
        began = time.perf_counter()
        choices = self._model.choose(prefix, endings, options, deadline)
        self.calls.append(Marking(prefix, endings, choices, time.perf_counter() - began))
        return choices


class Floor:
    """A practice model in this process: repeats recorded calls with llama.cpp's functions alone."""

    def __init__(self, sequence: Sequence0) -> None:
        from salecli.adapters.chatml import Chat

        self._sequence = sequence
        self._chat = Chat.of(sequence.vocabulary)

    def repeat(self, call: Bidding | Marking) -> float:
        """Seconds for the same prompt tokens, evaluated as far as they were, and the same drawn ones."""
        if isinstance(call, Bidding):
            prompt = self._chat.open(call.turns)
            _same(len(prompt), call.usage.prompt)
            return bare.generate(self._sequence, prompt, call.usage.evaluated, call.drawn, call.limits)
        prompts = [self._chat.closed(call.prefix) + self._chat.open(ending) for ending in call.endings]
        for prompt, choice in zip(prompts, call.choices, strict=True):
            _same(len(prompt), choice.usage.prompt)
        return bare.read_next(self._sequence, prompts, [one.usage.evaluated for one in call.choices])

    def shared(self, call: Marking) -> float:
        """Prompt tokens that a judge evaluated, over prefix + plans."""
        prefix = len(self._chat.closed(call.prefix))
        plans = sum(len(self._chat.open(ending)) for ending in call.endings)
        return sum(choice.usage.evaluated for choice in call.choices) / (prefix + plans)


def _same(ours: int, theirs: int) -> None:
    if ours != theirs:
        raise RuntimeError(f"a prompt of {theirs} tokens is one of {ours} here: the loops cannot be compared")


def measure(rounds: int) -> list[Row]:
    """Real auctions of the practice pool, each followed by its bare repetition; computed in this process.

    The figures do not depend on what the models have learned: whatever they say is repeated.
    """
    from salecli.build import market
    from salecli.config import Settings
    from salecli.pool import load_pool

    spec = load_pool("practice")
    with ExitStack() as stack:
        pool = stack.enter_context(market(Settings(), spec))
        recorded = {agent.name: Recorded(agent.model) for agent in pool.agents}
        pool = replace(
            pool, agents=tuple(replace(agent, model=recorded[agent.name]) for agent in pool.agents)
        )
        floors = {
            one.name: Floor(stack.enter_context(bare.opened(one.path, one.context))) for one in spec.agents
        }
        ratios, shares = [], []
        for number in range(rounds + 1):
            _auction(pool, SEED + number)
            calls = [(name, call) for name, model in recorded.items() for call in model.calls]
            ours = sum(call.seconds for _, call in calls)
            theirs = sum(floors[name].repeat(call) for name, call in calls)
            if number:  # the first round loads the models and warms both sides up
                ratios.append(ours / theirs)
            shares += [floors[name].shared(call) for name, call in calls if isinstance(call, Marking)]
            for model in recorded.values():
                model.calls.clear()
    return [
        _row("auction's model time against a bare llama.cpp loop", statistics.median(ratios), "x", 1.10),
        _row(
            "prompt tokens that a judge evaluated in an auction, over prefix + plans", max(shares), "x", 1.0
        ),
    ]


def _auction(pool: Pool, seed: int) -> None:
    """Bids and marks on a practice task."""
    from salecli.core.auction import Round, hold
    from salecli.core.decisions import Decisions
    from salecli.practice.curriculum import practice
    from salecli.practice.render import task_of

    task = task_of(practice(LEVEL, seed))
    _exhaust(hold(pool, task, None, Decisions(), seed, Round()))


def _exhaust(stream: Iterable[object]) -> None:
    for _ in stream:
        pass


if __name__ == "__main__":
    sys.stdout.write(json.dumps(measure(int(sys.argv[1]))))
