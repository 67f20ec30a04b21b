"""Which tests can judge a patch, and which only say that the setup is broken."""

from __future__ import annotations

from dataclasses import replace

import pytest

from salecli.core import events
from salecli.core.before import check_before, telling
from salecli.core.house import House
from salecli.core.values import Case, Patch, Tests
from salecli.errors import PatchRefused, RepositoryError, SandboxError
from tests.core.world import GOOD, TASK, ScriptedModel, TreeWorkspace, only, play, pool

MISSING = "ModuleNotFoundError: No module named 'totals'"


def broken(*messages: str) -> Tests:
    """A run in which every module of tests failed to load."""
    return Tests(2, tuple(Case(f"test_{at}", "error", said) for at, said in enumerate(messages)))


@pytest.mark.parametrize(
    ("before", "text"),
    [
        (Tests(0, (Case("test_a", "passed"),)), "Add a"),
        (Tests(1, (Case("test_a", "failed", MISSING),)), "Add a"),  # imported while it ran
        (Tests(2, (Case("test_a", "error", MISSING), Case("test_b", "passed"))), "Add a"),
        (broken("SyntaxError: invalid syntax"), "Mend the tests"),
        (broken(MISSING), "Write totals.py"),
        (broken(MISSING), "Write the module `totals`"),
        (broken("No module named 'add.sums'"), "Move it"),  # a package of the repository lacks a module
        (broken("No module named 'numpy'", MISSING), "Write totals.py with numpy in mind"),
        (Tests(4, (), f"ImportError while loading conftest\nE   {MISSING}", ran=False), "Write totals.py"),
        (Tests(124, (), "", timed_out=True), "End the endless loop"),
    ],
)
def test_fit_to_judge(before: Tests, text: str) -> None:
    check_before(replace(TASK, text=text), before)


@pytest.mark.parametrize(
    ("before", "error", "says", "hint"),
    [
        (broken(MISSING, MISSING), SandboxError, "test_0 imports totals, which is neither", "name it in the"),
        (Tests(5, (), "no tests ran", ran=False), RepositoryError, "finds no test in shop", "add tests"),
        (Tests(127, (), "sh: pest: not found", ran=False), SandboxError, "pest: not found", "--test-cmd"),
        (Tests(3, (), f"E   {MISSING}\nrootdir: /", ran=False), SandboxError, "imports totals", "build"),
        (Tests(4, (), "", ran=False), SandboxError, "says: nothing", "build"),
    ],
)
def test_a_broken_setup(before: Tests, error: type[Exception], says: str, hint: str) -> None:
    with pytest.raises(error, match=says) as caught:
        check_before(replace(TASK, text="Add a"), before)
    assert hint in caught.value.hint  # type: ignore[attr-defined]


def test_a_module_below_a_folder_is_pointed_out() -> None:
    task = replace(TASK, text="Add a", files=("src/totals/__init__.py", "tests/test_0.py"))
    with pytest.raises(SandboxError, match="does not find the module totals, which lies in src/") as caught:
        check_before(task, broken(MISSING))
    assert "PYTHONPATH=src" in caught.value.hint


def test_the_line_that_says_most() -> None:
    assert (
        telling("ERROR: usage\nx.py: error: no option -z\n  rootdir: /work\n") == "x.py: error: no option -z"
    )
    assert telling("one\ntwo\n") == "two"


def test_a_patch_that_is_refused_at_the_verdict_costs_its_agent_the_attempt() -> None:
    class Strict(TreeWorkspace):
        def verify(self, patch: Patch) -> Tests:
            raise PatchRefused("a submodule may not be changed")

    models = {name: ScriptedModel([f"plan {name}", GOOD]) for name in ("s", "l")}
    seen, auction = play(House(pool(models), Strict()).run(TASK, "run1"))
    assert [one.end for one in auction.works] == ["patch refused"] * 2
    assert "submodule" in only(seen, events.VerdictReached)[0].verdict.reason
    assert only(seen, events.RunFailed) == []
    assert only(seen, events.RunEnded)[0].patch is None


def test_models_that_all_die_at_work_are_not_the_plans_failure() -> None:
    models = {name: ScriptedModel([f"plan {name}", "DIE"]) for name in ("s", "l")}
    seen, _ = play(House(pool(models), TreeWorkspace()).run(TASK, "run1"))
    assert "nobody could work" in only(seen, events.RunFailed)[0].reason
    assert isinstance(seen[-1], events.RunEnded)


def test_judges_that_all_die_end_the_run() -> None:
    models = {name: ScriptedModel([f"plan {name}"], {"DIE": (1,)}) for name in ("s", "l")}
    seen, _ = play(House(pool(models), TreeWorkspace()).run(TASK, "run1"))
    assert "nobody marked: every judge is out (killed" in only(seen, events.RunFailed)[0].reason
