"""Several endings in one batch, as a GPU gets them: forced here, on the processor, beside one by one.

On a processor, llama.cpp's flash attention has a kernel for batches of less than TILE tokens, which adds up
in 16 bits, and another for longer batches: where a short ending meets company, that alone moves its shares.
"""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from salecli import resources
from salecli.adapters import llama_child
from salecli.adapters.llama import LlamaModel
from salecli.core.calls import Choice, Limits, Turn
from salecli.errors import ContextFull, ModelError, ModelTimeout
from salecli.practice.render import Prompts
from salecli.practice.tasks.curriculum import practice
from tests.adapters.llama_fixtures import OPEN, drain

Make = Callable[..., LlamaModel]
TILE = 64
DIGITS = tuple("012345")
SYSTEM = [Turn("system", "judge"), Turn("user", "sort the list, then filter")]
SCORE = Turn("assistant", "Score: ")


def prompts(count: int) -> tuple[list[Turn], list[list[Turn]]]:
    """A practice judge's prefix, and endings of 64 to 150 tokens: plans for this task and for others."""
    tasks = [practice(5, seed, family="lists") for seed in range(100, 100 + count)]
    judge = Prompts().judge
    turns = [judge(tasks[0].task, task.plan) for task in tasks]
    return list(turns[0][:-2]), [list(one[-2:]) for one in turns]


def plans(*words: int) -> list[list[Turn]]:
    """Endings of about so many words, of two tokens each, each different from its first word on."""
    return [
        [Turn("user", f"{number} " + f"step {number} " * (count // 2)), SCORE]
        for number, count in enumerate(words)
    ]


def apart(one: Choice, other: Choice) -> float:
    """The largest difference of two distributions."""
    return max(abs(left - right) for left, right in zip(one.probabilities, other.probabilities, strict=True))


def alike(found: list[Choice], expected: list[Choice]) -> bool:
    """Whether shares agree, as far as 16 bits allow for short endings (the first counts the prefix)."""
    return all(
        apart(one, other) < (1e-3 if other.usage.evaluated >= 2 * TILE else 1e-2)
        for one, other in zip(found, expected, strict=True)
    )


@pytest.mark.parametrize("name", ["xs", "s", "m", "l"])
def test_a_batch_marks_as_one_by_one(llama: Make, name: str) -> None:
    file = resources.pools() / f"practice-{name}.gguf"
    single, several = llama(file, sequences=1), llama(file, sequences=8)
    prefix, endings = prompts(17)
    expected = single.choose(prefix, endings, DIGITS)
    lengths = [choice.usage.evaluated for choice in expected]
    assert min(lengths) >= TILE
    assert len(set(lengths)) > 5
    assert max(apart(one, other) for one in expected for other in expected) > 0.3
    differences: list[float] = []
    for count in (1, 2, 8, 17):
        found = several.choose(prefix, endings[:count], DIGITS)
        differences += [apart(one, other) for one, other in zip(found, expected[:count], strict=True)]
    # Most are equal bit for bit. A sum in another order can tip an activation to its next 8-bit value.
    assert statistics.median(differences) < 1e-3
    assert max(differences) < 0.02


@pytest.mark.parametrize("words", [(5,), (3, 40), (30, 9, 70, 1), range(5, 90, 5)])
def test_branches_know_nothing_of_each_other(llama: Make, llama_random: Path, words: tuple[int, ...]) -> None:
    single, several = llama(llama_random), llama(llama_random, sequences=4)
    endings = plans(*words)
    expected = single.choose(SYSTEM, endings, DIGITS)
    assert len(words) == 1 or max(apart(*pair) for pair in pairwise(expected)) > 0.1
    found = several.choose(SYSTEM, endings, DIGITS)
    assert alike(found, expected)
    assert [choice.mass for choice in found] == pytest.approx([one.mass for one in expected], rel=1e-2)
    again = several.choose(SYSTEM, endings, DIGITS)
    assert [choice.probabilities for choice in again] == [choice.probabilities for choice in found]


def test_a_batch_counts_what_it_evaluates(llama: Make, llama_random: Path) -> None:
    single, several = llama(llama_random), llama(llama_random, sequences=8)
    endings = plans(40, 3, 90, 20, 5, 5, 5, 8, 30, 12)
    several.load()
    began = time.monotonic()
    found = several.choose(SYSTEM, endings, DIGITS)
    waited = time.monotonic() - began
    expected = single.choose(SYSTEM, endings, DIGITS)
    for one, other in zip(found, expected, strict=True):
        assert (one.usage.prompt, one.usage.evaluated) == (other.usage.prompt, other.usage.evaluated)
        assert one.usage.generated == 0
    seconds = [choice.usage.seconds for choice in found]
    assert 0 < sum(seconds) <= waited
    assert seconds[2] > seconds[1] > 0
    shared = found[1].usage.prompt - found[1].usage.evaluated
    (again,) = several.choose(SYSTEM, endings[:1], DIGITS)
    assert again.usage.evaluated == found[0].usage.evaluated - shared


def test_a_stream_after_a_batch_is_the_same_to_the_bit(llama: Make) -> None:
    """The prefix is held as it was, and nothing else: no token of an ending is seen or evaluated again."""
    file = resources.pools() / "practice-s.gguf"
    prefix, endings = prompts(9)
    turns = [*prefix, Turn("user", "plan"), OPEN]
    limits = Limits(max_tokens=60, temperature=1.0, seed=4)
    told = []
    for sequences, count in ((1, 1), (8, 1), (8, 9)):
        model = llama(file, sequences=sequences)
        model.choose(prefix, endings[:1], DIGITS)
        model.choose(prefix, endings[-count:], DIGITS)
        told.append(drain(model, turns, limits))
    (first, usage), *others = told
    assert len(first) > 5
    assert usage.evaluated < usage.prompt // 2
    for tokens, used in others:
        assert tokens == first
        assert used.prompt == usage.prompt


def test_what_does_not_fit_together_goes_in_parts(llama: Make, llama_random: Path) -> None:
    """Endings longer than a batch, longer together than the context, and one that fills it alone."""
    single, several = (llama(llama_random, context=1024, sequences=count) for count in (1, 8))
    endings = plans(2, 200, 150, 300, 2, 480, 50, 50)
    expected = single.choose(SYSTEM, endings, DIGITS)
    lengths = [choice.usage.evaluated for choice in expected]
    assert max(lengths) > 512
    assert sum(lengths) > 2 * 1024
    found = several.choose(SYSTEM, endings, DIGITS)
    assert [choice.usage.evaluated for choice in found] == lengths
    assert alike(found, expected)
    with pytest.raises(ContextFull):
        several.choose(SYSTEM, plans(2, 600, 2), DIGITS)
    assert alike(several.choose(SYSTEM, endings[:1], DIGITS), expected[:1])


@pytest.mark.parametrize("ended", ["deadline", "cancel"])
def test_a_batch_that_is_ended_leaves_the_model_usable(
    llama: Make, llama_slow: Path, monkeypatch: pytest.MonkeyPatch, ended: str
) -> None:
    monkeypatch.setattr(llama_child, "GRACE", 60.0)
    model = llama(llama_slow, context=8192, sequences=8)
    short = plans(4, 6, 8)
    before = model.choose(SYSTEM, short, DIGITS)
    long = plans(*[450] * 8)
    began = time.monotonic()
    if ended == "deadline":
        with pytest.raises(ModelTimeout) as caught:
            model.choose(SYSTEM, long, DIGITS, deadline=0.5)
        usage = caught.value.usage
        assert usage is not None
        assert usage.end == "cancelled"
        # What was evaluated of a batch whose end nobody saw counts as well.
        assert usage.prompt > 8 * 900
        assert 0 <= usage.evaluated < usage.prompt
    else:
        timer = threading.Timer(0.5, model.cancel)
        timer.start()
        with pytest.raises(ModelError, match="cancelled"):
            model.choose(SYSTEM, long, DIGITS)
        timer.join()
    assert time.monotonic() - began < 5
    again = model.choose(SYSTEM, short, DIGITS)
    assert [choice.probabilities for choice in again] == [choice.probabilities for choice in before]
    assert again[0].usage.evaluated < before[0].usage.evaluated
    assert drain(model, [*SYSTEM, OPEN], Limits(max_tokens=3, temperature=0.0))[1].generated == 3


def test_a_processor_gets_them_one_by_one(llama_random: Path) -> None:
    from salecli.adapters import footprint
    from salecli.adapters import llama_native as native

    native.start()
    for layers in (None, 0, 99):
        sequence = native.Sequence0(str(llama_random), 256, (1, 1), layers, native.Flag())
        assert sequence.sequences == (footprint.SEQUENCES if native.offloads(layers) else 1)
        sequence.close()
