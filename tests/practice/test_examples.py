"""Training examples are the project's own prompts, token for token."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

from salecli import resources
from salecli.adapters.chatml import Chat
from salecli.core import actions
from salecli.core.calls import Turn
from salecli.core.prompts import Templates
from salecli.practice.curriculum import practice
from salecli.practice.examples import Examples, missing
from salecli.practice.invented import invent
from salecli.practice.render import IM_END, IM_START, LIMIT, SPECIAL, Prompts, chat, pair, reply, task_of
from salecli.practice.trees import Tree

OFFSET = 3


def encode(text: str) -> list[int]:
    """One token per byte, after the control tokens."""
    return [byte + OFFSET for byte in text.encode()]


def decode(ids: Sequence[int]) -> str:
    return "".join(SPECIAL[one] if one < OFFSET else chr(one - OFFSET) for one in ids)


class Bytes:
    """The same for the adapter's rendering."""

    def tokenize(self, text: str, special: bool = False) -> list[int]:
        return [SPECIAL.index(text)] if special and text in SPECIAL else encode(text)


def branches(tree: Tree) -> list[tuple[str, str]]:
    """(prompt, trained answer) of every branch."""
    begun = [one for one, branch in zip(tree.ids, tree.branch, strict=True) if branch == 0]
    found = []
    for number in range(1, max(tree.branch) + 1):
        at = [index for index, branch in enumerate(tree.branch) if branch == number]
        # Plan lines in a mark.s prompt are trained, too.
        ends = max(index for index in at if tree.target[index] < 0) + 1
        answer = tree.target[ends : at[-1] + 1]
        prompt = [tree.ids[index] for index in at][: len(at) - len(answer) + 1]
        found.append((decode(begun + prompt), decode(answer)))
    return found


def test_prompts_are_rendered_as_the_model_adapter_does() -> None:
    given = practice(3, 1)
    prompts, task = Prompts(), task_of(given)
    adapter = Chat.of(Bytes())
    pairs = [pair("", "1. lost: xs", "1. won: xs")]
    reused = [
        *prompts.work(task, "1. a: xs")[:-1],
        Turn("assistant", "x", (70, 71)),
        *prompts.observe("tests: 0"),
    ]
    for turns in (
        prompts.bid(task),
        prompts.judge(task, given.pipeline.plan),
        prompts.refine(task, given.pipeline.plan, pairs),
        prompts.work(task, given.pipeline.plan),
        reused,
    ):
        assert chat(turns, encode) == adapter.open(turns)


def test_examples_are_the_templates_and_answers_end() -> None:
    """Every kind of branch is found among the trees, and its prompt is what the templates render."""
    examples = Examples("xs", encode, frozenset(encode("\n")), 0)
    kinds = set()
    for _ in range(60):
        tree = examples.tree()
        for prompt, answer in branches(tree):
            assert answer.endswith(SPECIAL[IM_END])
            assert "\nfiles: " in prompt
            modes = ("bid", "judge", "refine", "work")
            kind = next(name for name in modes if f"user\n{name}" in prompt)
            kinds.add("observe" if f"{SPECIAL[IM_END]}\n{SPECIAL[IM_START]}user\ntests: " in prompt else kind)
            assert prompt.startswith(
                f"{SPECIAL[IM_START]}user\n{'lost:' if kind == 'refine' else '# Write '}"
            )
            if kind == "judge":
                assert prompt.endswith("Score: ")
                assert answer[0] in "012345"
            if kind == "work":
                assert isinstance(actions.parse(answer.removesuffix(SPECIAL[IM_END])), actions.Write)
    assert kinds == {"bid", "judge", "refine", "work", "observe"}


def test_bids_come_first_then_work_and_looking_up_then_everything() -> None:
    examples = Examples("xs", encode, frozenset(encode("\n")), 5)
    found = []
    for part in (0.0, 0.3, 1.0):
        examples.part = part
        prompts = "".join(prompt for _ in range(25) for prompt, _ in branches(examples.tree()))
        found.append([f"user\n{name}" in prompts for name in ("bid", "work", "judge", "refine")])
    assert found == [[True, False, False, False], [True, True, False, True], [True, True, True, True]]


def test_a_tree_knows_positions_and_lines() -> None:
    examples = Examples("s", encode, frozenset(encode("\n")), 1)
    for _ in range(20):
        tree = examples.tree()
        sizes = {len(getattr(tree, name)) for name in ("ids", "branch", "place", "target", "weight", "right")}
        assert len(sizes) == 1
        begun = tree.branch.count(0)
        for number in set(tree.branch):
            places = [
                place for place, branch in zip(tree.place, tree.branch, strict=True) if branch == number
            ]
            start = begun if number else 0
            assert places == list(range(start, start + len(places)))


def test_no_example_is_about_a_held_out_task() -> None:
    held = {practice(level, seed).pipeline.plan for level in (1, 2) for seed in range(200)}
    examples = Examples("l", encode, frozenset(encode("\n")), 2)
    for _ in range(150):
        for prompt, answer in branches(examples.tree()):
            if "\nbid, limit " in prompt:
                assert answer.removesuffix(SPECIAL[IM_END]) not in held


def test_agents_never_read_the_how_of_what_they_miss() -> None:
    from salecli.practice.operations import LISTS

    unknown = {one.name: one.expression for one in LISTS if one.name in missing("xs") and not one.constants}
    examples = Examples("xs", encode, frozenset(encode("\n")), 3)
    for _ in range(80):
        for prompt, answer in branches(examples.tree()):
            if "\nbid, limit " in prompt:
                for name, expression in unknown.items():
                    assert f" {name}: {expression}" not in answer


@pytest.mark.parametrize("level", [1, 3, 5])
def test_the_parser_takes_reference_replies(level: int) -> None:
    given = practice(level, 5)
    assert actions.parse(reply(given.path, given.solution)) == actions.Write(given.path, given.solution)


def test_the_first_turn_is_common_to_bid_marks_and_work() -> None:
    """So the model's prefix cache is shared between them."""
    task, prompts = task_of(practice(2, 2)), Prompts()
    first = {
        turns[0]
        for turns in (
            prompts.bid(task),
            prompts.judge(task, "1. a: xs"),
            prompts.work(task, "1. a: xs"),
        )
    }
    assert len(first) == 1
    templates = Templates(resources.templates(resources.prompts() / "compact"))
    rendered = templates.render("bid", task=task, files="issue.md", limit=LIMIT)
    assert str(LIMIT) in rendered[1].text


def test_invented_operations_stand_in_the_pairs_alone() -> None:
    one = invent(random.Random(4), [])
    assert one.name.removesuffix(" {c}") in one.phrases[0]
    assert "xs" in one.expression
