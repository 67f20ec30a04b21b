"""How fast one model file runs on this machine beside the bare llama.cpp loop, and what it takes.

Both sides take turns in one run where memory holds two copies, and run one after the other where it holds
one. Threads are tried out in the bare loop first.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from salecli.bench.bars import bare
from salecli.core.calls import Limits, Turn, Usage

if TYPE_CHECKING:
    from salecli.adapters.llama import LlamaModel
    from salecli.adapters.llama_native import Sequence0

_PROMPT, _DRAWN = (64, 1_536), (8, 64)
"""Fewest and most tokens of a prompt, and of what is written after it."""
_SECONDS = 15.0
"""About what one prompt may take, where nobody asked for more."""
_BETTER = 0.97
"""A number of threads is taken for another one only where it takes less than this part of the time."""
_LIMITS = Limits(temperature=0.7)


@dataclass(frozen=True)
class Subject:
    """A model file, and how it is loaded."""

    file: Path
    context: int
    kv: str = "f16"
    gpu_layers: int | None = None
    at_once: bool = True
    """Whether memory holds it twice."""


def speed(subject: Subject, rounds: int = 3, seconds: float = _SECONDS) -> dict[str, Any]:
    """Seconds per token on either side, seconds to load, bytes at most, threads; in a process of its own.

    `seconds` is about what one prompt may take: the last token of a bid's prompt is a step of its own, which
    counts the less, the longer the prompt.
    """
    options = json.dumps(
        [str(subject.file), subject.context, subject.kv, subject.gpu_layers, subject.at_once]
    )
    (row,) = bare.apart("salecli.bench.bars.speed", options, rounds, seconds)
    return row


def measure(subject: Subject, rounds: int, seconds: float) -> dict[str, Any]:
    """The figures, measured from this process."""
    with ExitStack() as stack:
        sequence = stack.enter_context(
            bare.opened(subject.file, subject.context, subject.kv, subject.gpu_layers)
        )
        threads = _threads(sequence, subject.file)
        if subject.at_once:
            ours, theirs = [], []
            loaded, model = _loaded(stack, subject, threads)
            for number, call in enumerate(_calls(model, rounds, seconds)):
                theirs.append(_bare(sequence, call))
                ours.append(call)
                if not number:  # the first round warms both sides up
                    ours, theirs = [], []
            most = peak(model.pid)
    if not subject.at_once:
        with ExitStack() as stack:
            loaded, model = _loaded(stack, subject, threads)
            ours = list(_calls(model, rounds, seconds))[1:]
            most = peak(model.pid)
        with bare.opened(subject.file, subject.context, subject.kv, subject.gpu_layers) as sequence:
            _use(sequence, threads)
            theirs = [_bare(sequence, call) for call in [ours[0], *ours]][1:]
    return {
        "prefill": statistics.median(call.prefill / call.evaluated for call in ours),
        "decode": statistics.median(call.decode / call.drawn for call in ours),
        "prefill_ratio": statistics.median(
            bare[0] / call.prefill for bare, call in zip(theirs, ours, strict=True)
        ),
        "decode_ratio": statistics.median(
            bare[1] / call.decode for bare, call in zip(theirs, ours, strict=True)
        ),
        "load": loaded.seconds,
        "peak": most,
        "estimate": model.footprint.total,
        "context": subject.context,
        "threads": threads[0],
        "threads_prefill": threads[1],
    }


def _loaded(stack: ExitStack, subject: Subject, threads: tuple[int, int]) -> tuple[Any, LlamaModel]:
    from salecli.adapters.llama import LlamaModel

    model = LlamaModel(
        subject.file,
        context=subject.context,
        kv="q8_0" if subject.kv == "q8_0" else "f16",
        gpu_layers=subject.gpu_layers,
        threads=threads[0],
        threads_prefill=threads[1],
    )
    return stack.enter_context(model).load(), model


@dataclass(frozen=True)
class _Call:
    """A prompt, then a text after it, of a model in its own process."""

    prompt: int
    evaluated: int
    prefill: float
    """Seconds from the call to its first token."""
    drawn: int
    decode: float
    """Seconds to draw so many tokens, the prompt being held."""


def _calls(model: LlamaModel, rounds: int, most: float) -> Iterator[_Call]:
    """One call more than `rounds`; the first is short, and the others are as long as its speed allows."""
    words, drawn = _PROMPT[0] // 2, _DRAWN[0]
    for number in range(rounds + 1):
        turns = [Turn("user", f"{number} {'the list of ' * (words // 3)}"), Turn("assistant", "")]
        seconds, usage = _timed(model, turns, 1)
        longer, held = _timed(model, turns, drawn + 1)
        # A turn that ended by itself took one step more than it has tokens.
        call = _Call(usage.prompt, usage.evaluated, seconds, held.generated + (held.end != "length"), longer)
        yield call
        if not number:
            room = min(_PROMPT[1], model.context - _DRAWN[1] - 8, most * call.evaluated / call.prefill)
            words = max(words, int(words * room / call.evaluated))
            drawn = int(max(_DRAWN[0], min(_DRAWN[1], most / 2 * call.drawn / call.decode)))


def _timed(model: LlamaModel, turns: Sequence[Turn], tokens: int) -> tuple[float, Usage]:
    from dataclasses import replace

    began = time.perf_counter()
    with closing(model.stream(turns, replace(_LIMITS, max_tokens=tokens))) as stream:
        while True:
            try:
                next(stream)
            except StopIteration as stop:
                return time.perf_counter() - began, stop.value


def _bare(sequence: Sequence0, call: _Call) -> tuple[float, float]:
    """Seconds of the bare loop for the same numbers of tokens."""
    prompt = [100 + place % 400 for place in range(call.prompt)]
    drawn = [100 + place % 400 for place in range(call.drawn)]
    return (
        bare.generate(sequence, prompt, call.evaluated, drawn[:1], _LIMITS),
        bare.generate(sequence, prompt, 1, drawn, _LIMITS),
    )


def _threads(sequence: Sequence0, file: Path) -> tuple[int, int]:
    """The best numbers of threads for single tokens and for a prompt, of those worth trying."""
    from salecli.adapters.gguf_header import read
    from salecli.adapters.llama import threads_for
    from salecli.adapters.machine import cores

    most, usual = cores(), threads_for(read(file))
    single = [usual, *sorted({most, max(1, most - most // 4), max(1, most // 2)} - {usual}, reverse=True)]
    several = [usual, *sorted({most, len(os.sched_getaffinity(0))} - {usual})]

    def seconds(threads: int, prompt: bool) -> float:
        _use(sequence, (threads, threads))
        ids = [100 + place % 400 for place in range(_PROMPT[0])]
        evaluated, drawn = (len(ids), 1) if prompt else (1, _DRAWN[0])
        return min(bare.generate(sequence, ids, evaluated, ids[:drawn], _LIMITS) for _ in range(2))

    chosen = _best({n: seconds(n, False) for n in single}), _best({n: seconds(n, True) for n in several})
    _use(sequence, chosen)
    return chosen


def _best(seconds: dict[int, float]) -> int:
    """The number that takes clearly less than those named before it."""
    best, *others = seconds
    for one in others:
        if seconds[one] < _BETTER * seconds[best]:
            best = one
    return best


def _use(sequence: Sequence0, threads: tuple[int, int]) -> None:
    import llama_cpp.llama_cpp as llama

    llama.llama_set_n_threads(sequence.context_pointer, *threads)


def peak(pid: int | None) -> int:
    """Most bytes that a process held so far; 0 where the system does not say."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), 0)


if __name__ == "__main__":
    name, *rest = json.loads(sys.argv[1])
    sys.stdout.write(json.dumps([measure(Subject(Path(name), *rest), int(sys.argv[2]), float(sys.argv[3]))]))
