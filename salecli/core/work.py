"""The winner carries out its own plan, one action a turn, until the tests pass or a limit ends it.

The transcript only grows, and what the model generated is kept as token ids: its prefix cache always hits.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from salecli.core import actions, events
from salecli.core.agent import Agent, seed_for
from salecli.core.border import border
from salecli.core.calls import Token, Turn, Usage
from salecli.core.decisions import Decisions
from salecli.core.limits import WorkLimits
from salecli.core.observe import below, failure_note, hinted, seen_command, seen_tests
from salecli.core.ports import Sandbox
from salecli.core.requests import refuse
from salecli.core.values import ActionKind, Bid, Completed, Step, Task, Tests, Work, WorkEnd
from salecli.errors import ContextFull, ModelError, ModelTimeout, PatchRefused, SandboxError


class _Over(Exception):
    """The work has ended."""

    def __init__(self, end: WorkEnd, reason: str = "") -> None:
        super().__init__(reason)
        self.end = end
        self.reason = reason


def work(
    agent: Agent,
    task: Task,
    bid: Bid,
    sandbox: Sandbox,
    before: Tests,
    limits: WorkLimits,
    decisions: Decisions,
    seed: int,
    clock: Callable[[], float] = time.monotonic,
    earlier: Sequence[Step] = (),
    comment: str = "",
) -> Generator[events.Event, None, Work]:
    """Let `agent` carry out `bid` in `sandbox`, and bring its patch out; the verdict is not given here.

    After `earlier` steps, which are carried out again first, it goes on from the last one's observation;
    without any, `comment` stands below its plan. The Work holds the new steps alone, numbered on. An expected
    failure ends the work with its name; nothing is raised for it.
    """
    # Below a plan, as below an observation: there is no other place for it before the first step.
    plan = below(bid.plan, comment) if comment and not earlier else bid.plan
    job = _Job(
        agent,
        task,
        sandbox,
        before,
        limits,
        decisions,
        seed,
        clock,
        clock() + limits.seconds,
        plan,
        len(earlier),
    )
    try:
        job.again(earlier)
        while True:
            yield from job.step()
    except _Over as over:
        end, reason = over.end, over.reason
    except ModelError as error:
        end, reason = _model_ending(error), error.message
        job.usage += error.usage or Usage()
    except SandboxError as error:
        end, reason = "sandbox died", error.message
    patch = None
    if end != "sandbox died":
        try:
            patch = sandbox.collect()
            yield events.PatchMade(task.id, agent.name, patch)
        except PatchRefused as error:
            end, reason = "patch refused", error.message
        except SandboxError as error:
            end, reason = "sandbox died", error.message
    yield events.WorkEnded(task.id, agent.name, end, reason, job.usage)
    failing = job.tests is not None and not job.tests.green
    return Work(
        agent=agent.name,
        refined=bid.refined,
        end=end,
        steps=tuple(job.steps),
        usage=job.usage,
        patch=patch,
        note=failure_note(job.tests) if job.tests is not None and failing and not reason else reason,
    )


def _model_ending(error: ModelError) -> WorkEnd:
    match error:
        case ContextFull():
            return "context full"
        case ModelTimeout():
            return "time limit"
        case _:
            return "model died"


@dataclass(slots=True)
class _Job:
    """A work under way: what it works with, and what it has come to so far."""

    agent: Agent
    task: Task
    sandbox: Sandbox
    before: Tests
    limits: WorkLimits
    decisions: Decisions
    seed: int
    clock: Callable[[], float]
    stop_at: float
    plan: str
    first: int = 0
    """Steps that were taken before this work began."""
    turns: list[Turn] = field(default_factory=list)
    last: Step | None = None
    """The step whose observation is read next; None before the first."""
    steps: list[Step] = field(default_factory=list)
    usage: Usage = field(default_factory=Usage)
    tests: Tests | None = None
    bad_replies: int = 0
    seen: Counter[actions.Action] = field(default_factory=Counter)

    def again(self, earlier: Sequence[Step]) -> None:
        """Carry out earlier steps once more, and rebuild the transcript up to the last one's observation."""
        self.turns = list(self.agent.render("work", self.task, plan=self.plan))
        for step in earlier:
            # What could not be done then cannot be done now; what the agent saw of it is known.
            with suppress(ValueError):
                self._change(actions.parse(step.reply))
            self.tests = step.tests or self.tests
            self.turns[-1] = Turn("assistant", step.reply)
            self._observe(step)

    def step(self) -> Generator[events.Event, None, None]:
        """One turn: reply, action, observation. Raises _Over where it was the last."""
        self._check_limits()
        yield from self._stand()
        if self.decisions.handed_over():
            raise _Over("handed over", "the user asked for it")
        yield from self.agent.load(self.task)
        yield from self._hear()
        reply, usage = yield from self._reply()
        self.usage += usage
        kind: ActionKind = "none"
        target, tests, over = "", None, None
        try:
            action = actions.parse(reply)
        except actions.FormatError as error:
            observation, over = self._bad_reply(usage, str(error))
        else:
            self.bad_replies = 0
            kind, target = _named(action)
            observation, tests = self._carry_out(action)
            over = self._ending(action, tests)
        number = self.first + len(self.steps) + 1
        step = Step(number, kind, target, reply, observation, tests, usage)
        self.steps.append(step)
        yield events.StepTaken(self.task.id, self.agent.name, step)
        if over is not None:
            raise over
        self._observe(step)

    def _observe(self, step: Step) -> None:
        self.last = step
        self.turns += self._seen(step)

    def _seen(self, step: Step) -> Sequence[Turn]:
        return self.agent.profile.prompts.render("observe", observation=step.observation)

    def _hear(self) -> events.Stream:
        """What the user said meanwhile goes below what is read next, which no model has seen yet."""
        hints = self.decisions.hints()
        if not hints:
            return
        if self.last is None:
            self.plan = below(self.plan, *hints)
            self.turns = list(self.agent.render("work", self.task, plan=self.plan))
        else:
            said = hinted(self.last, *hints)
            self.turns[-len(self._seen(said)) :] = self._seen(said)
            self.last = said
            if self.steps:
                self.steps[-1] = said
        for hint in hints:
            yield events.Hinted(self.task.id, self.agent.name, hint)

    def _check_limits(self) -> None:
        limits = self.limits
        if len(self.steps) >= limits.steps:
            raise _Over("step limit", f"{limits.steps} steps were taken")
        if self.usage.generated >= limits.tokens:
            raise _Over("token limit", f"{limits.tokens} tokens were generated")
        if self.clock() >= self.stop_at:
            raise _Over("time limit", f"{limits.seconds:g} s have passed")

    def _stand(self) -> events.Stream:
        """The border before a step; the time for which the work stands still there is not the work's."""
        began = self.clock()
        yield from border(self.task, self.decisions, "work", lambda request: refuse(self.task, request))
        self.stop_at += self.clock() - began

    def _reply(self) -> Generator[events.Event, None, tuple[str, Usage]]:
        """The agent's next reply; its tokens become the transcript's last turn as they are."""
        own = self.agent.limits("work")
        left = self.limits.tokens - self.usage.generated
        limits = replace(
            own,
            max_tokens=min(self.agent.reply_tokens, left),
            think=min(own.think, left),
            seed=seed_for(self.seed, "work", self.agent.name, len(self.steps)),
            deadline=min(own.deadline or math.inf, max(self.stop_at - self.clock(), 1.0)),
        )
        tokens: list[Token] = []
        stream = self.agent.model.stream(self.turns, limits)
        try:
            while True:
                token = next(stream)
                tokens.append(token)
                yield events.WorkToken(self.task.id, self.agent.name, token.text)
        except StopIteration as stop:
            usage: Usage = stop.value
        finally:
            stream.close()
        begun = self.turns[-1].text
        reply = begun + "".join(token.text for token in tokens)
        # A reply that the template had begun is kept as text; any other as the tokens it was made of.
        ids = () if begun else tuple(token.id for token in tokens)
        self.turns[-1] = Turn("assistant", reply, ids)
        return reply, usage

    def _bad_reply(self, usage: Usage, message: str) -> tuple[str, _Over | None]:
        """What a reply without a valid action leads to. Truncation is not a format error; both are named."""
        self.bad_replies += 1
        cut = usage.end == "length"
        said = f"your reply was cut off after {usage.generated} tokens: answer shorter" if cut else message
        if self.bad_replies < self.limits.format_errors:
            return said, None
        end: WorkEnd = "truncated" if cut else "format errors"
        return said, _Over(end, f"{self.bad_replies} replies in a row without a valid action: {said}")

    def _carry_out(self, action: actions.Action) -> tuple[str, Tests | None]:
        """Do it in the sandbox: what the agent sees of it, and the test run that a change brings with it."""
        profile = self.agent.profile
        try:
            done = self._change(action)
        except ValueError as error:  # an edit that does not fit, or a path that leaves the tree
            return str(error), None
        if done is not None:
            return seen_command(done, profile.observation), None
        if isinstance(action, actions.Done):
            return "", None
        self.tests = self.sandbox.test()
        return seen_tests(self.tests, profile.observation, profile.output), self.tests

    def _change(self, action: actions.Action) -> Completed | None:
        """Do it in the sandbox; ValueError where it cannot be done."""
        match action:
            case actions.Write(path, content):
                self.sandbox.write(path, content)
            case actions.Edit(path, _):
                text = self.sandbox.read(path)
                if text is None:
                    raise ValueError(f"there is no file {path}: use ```write for a new one")
                self.sandbox.write(path, actions.edited(text, action))
            case actions.Run(command):
                return self.sandbox.run(command)
        return None

    def _ending(self, action: actions.Action, tests: Tests | None) -> _Over | None:
        """Whether the work is over after `action`."""
        self.seen[action] += 1
        if isinstance(action, actions.Done):
            return _Over("done")
        if tests is not None and tests.green and not self.before.green:
            return _Over("tests pass")
        if self.seen[action] >= self.limits.repeats:
            return _Over("repeated action", f"the same action came {self.limits.repeats} times")
        return None


def _named(action: actions.Action) -> tuple[ActionKind, str]:
    match action:
        case actions.Write(path, _):
            return "write", path
        case actions.Edit(path, _):
            return "edit", path
        case actions.Run(command):
            return "run", command
        case actions.Done():
            return "done", ""
