"""Training examples: the project's own prompts and observations, token for token, and what no agent reads."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from salecli import resources
from salecli.adapters.chatml import Chat
from salecli.core import actions
from salecli.core.calls import Turn
from salecli.core.prompts import Templates
from salecli.practice import faults
from salecli.practice.examples import Examples, masked
from salecli.practice.mixtures import AGENTS, MIXTURES, RARER, unknown
from salecli.practice.render import IM_END, IM_START, LIMIT, SPECIAL, Prompts, chat, pair
from salecli.practice.tasks import words
from salecli.practice.tasks.conventions import OPERATIONS
from salecli.practice.tasks.curriculum import plan_of, practice
from salecli.practice.tasks.drafts import FAMILIES, LEVELS, UNKNOWN
from salecli.practice.tasks.lists import LISTS
from salecli.practice.tasks.operation import FEWEST
from salecli.practice.trees import Tree

REPLY_TOKENS, CONTEXT = 320, 2048
"""As the practice pool has them."""
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
        # Plan lines in a mark's prompt are trained, too.
        ends = max(index for index in at if tree.target[index] < 0) + 1
        answer = tree.target[ends : at[-1] + 1]
        prompt = [tree.ids[index] for index in at][: len(at) - len(answer) + 1]
        found.append((decode(begun + prompt), decode(answer)))
    return found


def told(agent: str, count: int, seed: int = 0) -> Iterator[tuple[str, str, str]]:
    """(kind, prompt, answer) of every branch of some trees."""
    examples = Examples(agent, encode, frozenset(encode("\n")), seed)
    for _ in range(count):
        for prompt, answer in branches(examples.tree()):
            kind = next(name for name in ("bid", "judge", "refine", "work") if f"user\n{name}" in prompt)
            if kind == "work" and prompt.count("<|im_start|>assistant") > 1:
                kind = "again"
            assert prompt.startswith(f"{SPECIAL[IM_START]}user\n{'lost:' if kind == 'refine' else '# '}")
            assert "\nfiles: " in prompt
            assert answer.endswith(SPECIAL[IM_END])
            yield kind, prompt, answer.removesuffix(SPECIAL[IM_END])


def test_prompts_are_rendered_as_the_model_adapter_does() -> None:
    given = practice(3, 1)
    prompts, task = Prompts(), given.task
    adapter = Chat.of(Bytes())
    pairs = [pair("", "1. lost: xs", "1. won: xs")]
    reused = [
        *prompts.work(task, "1. a: xs")[:-1],
        Turn("assistant", "x", (70, 71)),
        *prompts.observe("tests: 0"),
    ]
    for turns in (
        prompts.bid(task),
        prompts.judge(task, given.plan),
        prompts.refine(task, given.plan, pairs),
        prompts.work(task, given.plan),
        reused,
    ):
        assert chat(turns, encode) == adapter.open(turns)


def test_every_kind_of_example_is_well_formed() -> None:
    kinds, seen = set(), set()
    for kind, prompt, answer in told("m", 120):
        kinds.add(kind)
        if kind == "judge":
            assert prompt.endswith("Score: ")
            assert answer in "01235"
        elif kind in ("work", "again"):
            action = actions.parse(answer)
            assert isinstance(action, actions.Write | actions.Edit)
            if kind == "again":
                observation = prompt.rpartition("user\n")[2]
                seen.add(observation.split(":")[0].split(" ")[0])
        else:
            assert answer.startswith("1. ")
    assert kinds == {"bid", "judge", "refine", "work", "again"}
    assert seen == {"tests", "the"}  # a failed test run, or a passage that is not in the file


def test_bids_and_work_come_first_then_looking_up_then_everything() -> None:
    examples = Examples("xs", encode, frozenset(encode("\n")), 5)
    found = []
    for part in (0.0, 0.28, 1.0):
        examples.part = part
        prompts = "".join(prompt for _ in range(25) for prompt, _ in branches(examples.tree()))
        found.append([f"user\n{name}" in prompts for name in ("bid", "work", "judge", "refine")])
    assert found == [[True, True, False, False], [True, True, False, True], [True, True, True, True]]


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


def test_a_second_try_mends_what_the_first_one_left() -> None:
    """Carried out in turn, the two actions of an example make the solution."""
    edits = 0
    for kind, prompt, answer in told("l", 150, seed=4):
        if kind != "again" or "```edit" not in answer:
            continue
        text = prompt.partition("work\nfile ")[2].partition("\n")[2].partition("\nplan:\n")[0] + "\n"
        first = prompt.partition("<|im_start|>assistant\n")[2].partition(SPECIAL[IM_END])[0]
        actual = actions.parse(first)
        again = actions.parse(answer)
        assert isinstance(actual, actions.Edit)
        assert isinstance(again, actions.Edit)
        said = ""
        try:
            text = actions.edited(text, actual)
        except actions.FormatError as error:
            said = str(error)
        assert said in prompt
        assert actions.edited(text, again) != text
        edits += 1
    assert edits > 3


def test_agents_never_read_the_how_of_what_they_miss() -> None:
    for agent in ("xs", "m"):
        names = unknown(agent)
        lines = {
            f"{one.name}: {one.code}"
            for table in RARER.values()
            for one in table
            if one.name in names and "{" not in one.name
        }
        assert len(lines) > 5
        opened = 0
        for kind, prompt, answer in told(agent, 150, seed=1):
            if kind in ("bid", "judge", "work", "again"):
                assert not any(line in prompt + answer for line in lines)
            opened += kind == "bid" and f": {UNKNOWN}" in answer
        assert opened > 5


def test_a_refinement_finds_in_the_pairs_what_the_agent_did_not_know() -> None:
    found = {"taught": 0, "kept": 0, "open": 0, "mended": 0}
    usual = {f"{one.name}: {one.code}" for one in OPERATIONS}
    for kind, prompt, answer in told("s", 1200, seed=2):
        if kind != "refine":
            continue
        pairs, _, rest = prompt.partition("yours:\n")
        yours = rest.partition(SPECIAL[IM_END])[0]
        won = "".join(part.partition(SPECIAL[IM_END])[0] for part in pairs.split("won:\n")[1:])
        mine = {line.partition(". ")[2] for line in yours.splitlines()}
        said = [line.partition(". ")[2] for line in answer.splitlines()]
        for line in said:
            if line.endswith(f": {UNKNOWN}"):
                found["open"] += 1
                assert line.removesuffix(UNKNOWN) not in won
            elif line in mine:
                found["kept"] += 1
            elif f"{line.partition(': ')[0]}: {UNKNOWN}" in mine and line in won:
                found["taught"] += 1
            else:  # a guess or a fault that it can mend from what it knows
                found["mended"] += 1
                assert " rule: " not in line or line in won or line in usual
    assert min(found.values()) > 5, found


def test_examples_stay_on_their_side() -> None:
    titles = {said.partition("{")[0] for side in (words.TITLES, words.REPAIRS) for said in side[1]} - {""}
    held = {practice(level, seed).issue for level in LEVELS for seed in range(18)}
    noise = [said for said in words.DISTRACTORS[1] if "{" not in said]
    for kind, prompt, _ in told("l", 80, seed=3):
        task = prompt.rpartition("user\n# ")[2] if kind == "refine" else prompt.partition("user\n# ")[2]
        issue = f"# {task.partition(chr(10) + 'files: ')[0]}\n"
        assert issue not in held
        assert not any(issue.startswith(f"# {said}") for said in titles)
        assert not any(said in issue for said in noise)


def test_the_first_turn_is_common_to_bid_marks_and_work() -> None:
    """So the model's prefix cache is shared between them."""
    task, prompts = practice(2, 2).task, Prompts()
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


def test_agents_err_differently() -> None:
    assert not unknown("xs") & {one.name for one in LISTS[:FEWEST]}
    sets = {agent: unknown(agent) for agent in AGENTS}
    sizes = [len(sets[agent]) for agent in AGENTS]
    assert sizes == sorted(sizes, reverse=True)
    for at, small in enumerate(AGENTS):
        for large in AGENTS[at + 1 :]:
            assert sets[large] - sets[small], f"{small} knows nothing that {large} does not"
        assert set(MIXTURES[small]) == set(FAMILIES)
    assert len({tuple(one.values()) for one in MIXTURES.values()}) == len(AGENTS)


def test_a_mark_counts_lines_in_their_order() -> None:
    given = practice(5, 2, family="lists")
    lines = [given.lines[at] for at in given.planned]
    assert faults.deserved(plan_of(lines[1:]), given.plan) in (2, 3)
    assert faults.deserved(plan_of(reversed(lines)), given.plan) == 0
    assert faults.deserved("1. nothing: xs", given.plan) == 0


def test_a_fault_costs_more_than_its_line() -> None:
    rng = random.Random(1)
    for seed in range(18):
        task = practice(4, seed)
        assert faults.deserved(task.plan, task.plan) == 5
        assert (
            faults.deserved(masked(task, {task.draft.steps[task.planned[0]].operation.name}), task.plan) <= 3
        )
        lines = faults.faulty(task, rng, 1)
        if not all(right for _, _, right in lines):
            assert faults.deserved(faults.text_of(lines), task.plan) <= 3


@pytest.mark.slow
def test_transcripts_fit_into_the_contexts_of_the_pool(tmp_path: Path) -> None:
    pytest.importorskip("tokenizers")
    from salecli.practice import tokenizer as tokenizers

    gathered: list[str] = []

    def gather(text: str) -> list[int]:
        gathered.append(text)
        return list(text.encode())

    examples = Examples("tokenizer", gather, frozenset(b"\n"), 0)
    for _ in range(400):
        examples.tree()
    made = tokenizers.train(gathered)

    def encoded(text: str) -> list[int]:
        return list(made.encode(text, add_special_tokens=False).ids)

    prompts = Prompts()
    for level in LEVELS:
        for seed in range(27):
            given = practice(level, seed)
            plan, size = given.plan, len(encoded(given.plan))
            assert size < LIMIT
            assert len(encoded(given.reply)) < REPLY_TOKENS
            refined = chat(prompts.refine(given.task, plan, [pair("", plan, plan)] * 3), encoded)
            assert len(refined) + LIMIT < CONTEXT
            turns = [*prompts.work(given.task, plan)]
            for _ in range(2):
                turns[-1] = Turn("assistant", given.reply)
                turns += prompts.observe("tests: 0 passed, 4 failed\n" + given.tests[:215])
            assert len(chat(turns, encoded)) + REPLY_TOKENS < CONTEXT
