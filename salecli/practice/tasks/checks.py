"""Unit tests that tell a task's solution from wrong ones."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence

from salecli.practice.tasks import trial
from salecli.practice.tasks.drafts import Draft, rival, signature
from salecli.practice.tasks.trial import Check

COUNT = 4
"""Tests of a task."""
_TRIED = 14
"""Inputs among which they are chosen."""
_LARGEST, _LONGEST = 9999, 110
"""No number is larger, and no value is longer when it is written."""
WRONG = 3
"""So many wrong solutions, at least, are caught."""
Lines = tuple[tuple[str, str], ...]

_WORDS = [
    "ant",
    "bear",
    "Cat",
    "deer",
    "eel",
    "fox",
    "Goat",
    "hare",
    "Ibis",
    "jay",
    "koala",
    "Lion",
    "mole",
    "newt",
    "otter",
    "Pig",
    "quail",
    "rat",
    "seal",
    "tiger",
    "toad",
    "viper",
    "wasp",
    "yak",
    "zebra",
]
_NAMES = ("ann", "bob", "cid", "dora", "emil", "fay", "gus")
_CITIES = ("Rome", "Oslo", "Lima", "Bern")


def _numbers(rng: random.Random) -> list[int]:
    found = [rng.randint(-9, 20) for _ in range(rng.randint(5, 9))]
    if rng.random() < 0.5:
        found[rng.randrange(len(found))] = rng.choice(found)
    return found


def _text(rng: random.Random) -> str:
    found = rng.choices(_WORDS, k=rng.randint(3, 6))
    if rng.random() < 0.2:
        found[rng.randrange(len(found))] += str(rng.randint(1, 99))
    return " ".join(found)


def _rows(rng: random.Random) -> list[dict[str, object]]:
    names = rng.sample(_NAMES, rng.randint(4, 6))
    return [
        {"name": name, "city": rng.choice(_CITIES), "price": rng.randint(1, 12), "count": rng.randint(1, 12)}
        for name in names
    ]


def _written(rng: random.Random, reader: str) -> str:
    """A text that a reader reads."""
    if reader == "read k=v":
        return ";".join(f"{key}={rng.randint(1, 15)}" for key in rng.sample("abcdeiorst", rng.randint(4, 6)))
    if reader == "read lines":
        return "\n".join(f"{key} {rng.randint(1, 15)}" for key in rng.sample("abcdeiorst", rng.randint(4, 6)))
    between = {"read commas": ",", "read spaces": " ", "read dashes": "-"}[reader]
    lowest = 0 if between == "-" else -9
    return between.join(str(rng.randint(lowest, 20)) for _ in range(rng.randint(5, 8)))


_GIVEN: Mapping[str, Callable[[random.Random], object]] = {
    "xs": _numbers,
    "s": _text,
    "rows": _rows,
    "n": lambda rng: rng.randint(2, 9999) if rng.random() < 0.3 else rng.randint(5, 40),
}


def _calls(draft: Draft, name: str, rng: random.Random) -> list[Check]:
    """Calls of a function, without what they must give."""
    reader = draft.steps[0].name
    found = []
    for _ in range(_TRIED):
        given = _written(rng, reader) if reader.startswith("read ") else _GIVEN[draft.takes](rng)
        found.append(Check((), f"{name}({given!r})"))
    return found


def _scripts(draft: Draft, name: str, rng: random.Random) -> list[Check]:
    """Short stories of an object, without what they must give; every method is asked for in turn."""
    state = draft.steps[0].code.partition(" ")[0].removeprefix("self.")
    methods = [(signature(one.name), "return" in one.code) for one in draft.steps[1:]]
    put = methods[0][0]
    found = []
    for number in range(_TRIED):
        asked, answers = methods[number % len(methods)]
        script = [f"it = {name}()", *(f"it.{_call(put, rng)}" for _ in range(rng.randint(2, 4)))]
        others = [one for one, _ in methods]
        script += [f"it.{_call(rng.choice(others), rng)}" for _ in range(rng.randint(0, 2))]
        if not answers:
            script.append(f"it.{_call(asked, rng)}")
        found.append(Check(tuple(script), f"it.{_call(asked, rng)}" if answers else f"it.{state}"))
    return found


def _call(method: str, rng: random.Random) -> str:
    name, _, given = method.partition("(")
    if "x" not in given:
        return f"{name}()"
    low, high = {"add": (-4, 12), "up": (1, 25), "down": (1, 15)}.get(name, (1, 9))
    return f"{name}({rng.randint(low, high)})"


def _fits(value: object) -> bool:
    """Whether a test may show it."""
    if isinstance(value, BaseException):
        return False
    numbers = value if isinstance(value, list) else [value]
    return len(repr(value)) <= _LONGEST and all(
        abs(one) <= _LARGEST for one in numbers if isinstance(one, int)
    )


def _telling(value: object, call: str) -> bool:
    return value not in ([], "", {}, None, 0) and f"({value!r})" not in call


def wrong_lines(draft: Draft, rng: random.Random) -> list[Lines]:
    """Plausible wrong solutions of a draft, the nearest ones first."""
    right = lines(draft)
    places = sorted(draft.broken) or range(len(right))
    found: list[Lines] = []
    if draft.broken:
        found.append(before(draft))
        found += [_replaced(right, at, draft.broken[at].code) for at in places if len(places) > 1]
    elif draft.shape != "class":
        fixed = 2 if draft.shape == "loop" else 0
        found += [right[:at] + right[at + 1 :] for at in places if at >= fixed and len(right) > fixed + 1]
    for at in places:
        for _ in range(6 if draft.broken else 2):
            found.append(_replaced(right, at, rival(draft, at, rng).code))
    return [one for one in dict.fromkeys(found) if one != right]


def _replaced(right: Lines, at: int, code: str) -> Lines:
    return (*right[:at], (right[at][0], code), *right[at + 1 :])


def lines(draft: Draft) -> Lines:
    """(name, code) of every step."""
    return tuple((one.name, one.code) for one in draft.steps)


def before(draft: Draft) -> Lines:
    """The same with what stands there before the work."""
    return tuple(
        (one.name, draft.broken[at].code if at in draft.broken else one.code)
        for at, one in enumerate(draft.steps)
    )


def choose(draft: Draft, name: str, rng: random.Random) -> tuple[tuple[Check, ...], tuple[Lines, ...]] | None:
    """Tests that the solution passes, and wrong solutions that fail them; None where a draft is not worth it.

    Every wrong solution that leaves a step out must be caught, and at least WRONG in all.
    """
    tried = (_scripts if draft.shape == "class" else _calls)(draft, name, rng)
    made = trial.compiled(tried)
    right = trial.values(draft.text(name, lines(draft)), draft.modules, made)
    useful = [at for at, value in enumerate(right) if _fits(value)]
    if sum(_telling(right[at], tried[at].call) for at in useful) < COUNT or len(useful) < _TRIED // 2:
        return None
    useful.sort(key=lambda at: not _telling(right[at], tried[at].call))
    if len({repr(right[at]) for at in useful[:6]}) < 3:
        return None
    ready = [made[at] for at in useful]
    chosen: list[int] = []
    caught: list[Lines] = []
    needed = len(draft.steps) + len(draft.broken)
    for wrong in wrong_lines(draft, rng):
        if len(caught) >= needed + WRONG:
            break
        got = trial.values(draft.text(name, wrong), draft.modules, ready)
        telling = [at for at, value in zip(useful, got, strict=True) if value != right[at]]
        if not telling:
            if len(wrong) < len(draft.steps) or wrong == before(draft) != lines(draft):
                return None  # a step that makes no difference, or a fault that nobody sees
            continue
        if not set(telling) & set(chosen):
            if len(chosen) == COUNT:
                if len(wrong) < len(draft.steps):
                    return None
                continue
            chosen.append(telling[0])
        caught.append(wrong)
    if len(caught) < WRONG:
        return None
    chosen += [at for at in useful if at not in chosen][: COUNT - len(chosen)]
    checks = tuple(Check(tried[at].script, tried[at].call, right[at]) for at in sorted(chosen))
    return checks, tuple(caught)


def test_text(module: str, name: str, checks: Sequence[Check]) -> str:
    """The text of a test module."""
    cases = "".join(
        f"\n\ndef test_{name.lower()}_{number}():\n"
        + "".join(f"    {line}\n" for line in one.script)
        + f"    assert {one.call} == {one.wanted!r}\n"
        for number, one in enumerate(checks, 1)
    )
    return f"from {module} import {name}\n{cases}"
