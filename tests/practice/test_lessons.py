"""What lessons are made of: phrases that nobody wrote down, and random lines to look up."""

from __future__ import annotations

import random
from string import Formatter

import pytest

from salecli.core.calls import Turn
from salecli.practice.induction import recalling, repeating
from salecli.practice.render import SPECIAL
from salecli.practice.tasks import phrasing, words
from salecli.practice.tasks.curriculum import sample
from salecli.practice.tasks.drafts import FAMILIES
from salecli.practice.trees import LOOKED_UP, Growth

VOCABULARY = 200
OPERATIONS = [one for table in phrasing.TABLES for one in table]


@pytest.mark.parametrize("seed", range(5))
def test_a_loose_phrase_keeps_the_name_and_is_none_of_the_held_out_ones(seed: int) -> None:
    rng = random.Random(seed)
    changed = 0
    for one in OPERATIONS:
        for said in one.said:
            loose = phrasing.loose(said, one.name.split(), rng, one.held)
            assert all(word in loose for word in one.name.split())
            assert fields(loose) == fields(said)
            assert loose not in one.held
            changed += loose != said
    assert changed > len(OPERATIONS)


def fields(template: str) -> set[str]:
    return {name for _, name, *_ in Formatter().parse(template) if name is not None}


def test_a_phrase_that_would_be_a_held_out_one_is_said_another_way() -> None:
    said = "above {c}"
    free = {phrasing.loose(said, ("above",), random.Random(seed)) for seed in range(300)}
    bound = {phrasing.loose(said, ("above",), random.Random(seed), free - {said}) for seed in range(300)}
    assert len(free) > 20
    assert said in free
    assert not bound & (free - {said})


def test_openings_and_sentences_keep_their_slots_and_their_ends() -> None:
    rng = random.Random(1)
    sides = (
        words.TITLES,
        words.REPAIRS,
        words.OPENINGS,
        words.FAULTS,
        words.DISTRACTORS,
        *zip(*words.JOINTS, strict=True),
    )
    for training, held in sides:
        for one in training:
            made = phrasing.babble(one, rng, held)
            assert fields(made) == fields(one)
            assert made not in held
            assert "{}" not in one or made.endswith(": {}.")
            if one.endswith((" ", ".", ":")):
                assert made.endswith(one[-1])


def test_training_issues_have_no_held_out_phrase_however_loosely_they_are_said() -> None:
    rng = random.Random(2)
    tables = (words.TITLES, words.REPAIRS, words.OPENINGS, words.FAULTS, words.DISTRACTORS)
    held = {said for one in OPERATIONS for said in one.held} | {said for _, side in tables for said in side}
    held |= {said for side in words.JOINTS[True] for said in side}
    written = {said for one in OPERATIONS for said in one.said}
    found: set[str] = set()
    for number in range(900):
        family = tuple(FAMILIES)[number % len(FAMILIES)]
        found.update(sample(rng.randint(1, 5), rng, False, family, tested=False, made=0.5).phrases)
    assert not found & held
    assert len(found - written) > 1000


def test_a_task_said_as_written_has_written_phrases_alone() -> None:
    one = sample(3, random.Random(3), False, "lists", tested=False)
    said = {said for operation in OPERATIONS for said in operation.said}
    assert len(said & set(one.phrases)) >= len(one.lines) - 1


@pytest.mark.parametrize("seed", range(40))
def test_what_a_key_stands_for_can_be_read_before(seed: int) -> None:
    """Every trained value was told of the same key, or the key was never told."""
    tree = recalling(random.Random(seed), VOCABULARY)
    assert len(tree.ids) == len(tree.target) == len(tree.place)
    assert all(len(SPECIAL) <= one < VOCABULARY for one in tree.ids)
    trained = [at for at, one in enumerate(tree.target) if one >= 0]
    assert trained
    assert all(tree.target[at] == tree.ids[at + 1] for at in trained)
    lines, asked = parsed(tree.ids, trained[0])
    assert asked
    for key, value in asked:
        values = {said for name, said in lines if name == key}
        told = {said for said in values if len(said) > 1}  # a single token is the sign of an open value
        assert told == ({value} if len(value) > 1 else set())
    assert len({value for _, value in asked if len(value) == 1}) <= 1


Line = tuple[tuple[int, ...], tuple[int, ...]]


def parsed(ids: list[int], first: int) -> tuple[list[Line], list[Line]]:
    """(key, value) of the lines told and of those asked."""
    between, end = ids[first], ids[-1]
    lines: list[Line] = []
    held: list[int] = []
    starts: list[int] = []
    for at, token in enumerate(ids[3:], 3):
        if not held:
            starts.append(at)
        held.append(token)
        if token == end and between in held:
            cut = held.index(between)
            lines.append((tuple(held[:cut]), tuple(held[cut + 1 : -1])))
            held = []
    told = sum(start + len(key) < first for start, (key, _) in zip(starts, lines, strict=True))
    return lines[:told], lines[told:]


def test_random_tokens_that_repeat_are_trained_where_they_can_be_known() -> None:
    tree = repeating(random.Random(4), VOCABULARY)
    for at, wanted in enumerate(tree.target):
        if wanted >= 0:
            assert any(tree.ids[before : before + 2] == [tree.ids[at], wanted] for before in range(at))


def test_what_only_the_pairs_can_tell_weighs_more() -> None:
    growth = Growth(
        lambda text: [ord(one) + len(SPECIAL) for one in text], frozenset({ord("\n") + len(SPECIAL)})
    )
    tree = growth.chain([Turn("user", "q"), Turn("user", "r"), Turn("assistant", "")], "ab\ncd\nef", {1})
    said = [
        (chr(wanted - len(SPECIAL)), weight)
        for wanted, weight in zip(tree.target, tree.weight, strict=True)
        if wanted >= len(SPECIAL)
    ]
    assert "".join(one for one, _ in said) == "ab\ncd\nef"
    assert "".join(one for one, weight in said if weight == LOOKED_UP) == "cd\n"
    assert {weight for _, weight in said} == {1.0, LOOKED_UP}
