"""What an agent is shown of a command or a test run: head and tail, with what was left out said."""

from __future__ import annotations

from dataclasses import replace

from salecli.core.values import Completed, Step, Tests


def clip(text: str, budget: int) -> str:
    """Head and tail of `text` within about `budget` characters."""
    if len(text) <= budget:
        return text
    half = budget // 2
    left = len(text) - 2 * half
    return f"{text[:half]}\n[{left} characters left out]\n{text[-half:]}" if half else ""


def seen_tests(tests: Tests, budget: int, output: bool = True) -> str:
    """A test run in words: counts, the failing cases' first lines, and the tail of the output.

    Small-context profiles leave the output out: the first failing case is what they can use.
    """
    if tests.timed_out:
        head = "tests: timed out"
    elif not tests.ran:
        head = "tests: could not start"
    else:
        head = f"tests: {tests.passed} passed, {tests.failed} failed"
    lines = [head]
    for case in tests.cases:
        if case.outcome in ("failed", "error"):
            lines.append(f"{case.name}: {case.message}" if case.message else case.name)
    if not output:
        return clip("\n".join(lines[:2]), budget)
    listed = clip("\n".join(lines), budget // 2)
    rest = max(budget - len(listed), 0)
    tail = tests.output if len(tests.output) <= rest else clip(tests.output, rest)
    return f"{listed}\n{tail}".rstrip() if not tests.green else listed


def seen_command(done: Completed, budget: int) -> str:
    """A finished command in words: exit code and output."""
    head = "timed out" if done.timed_out else f"exit {done.exit_code}"
    if done.out_of_memory:
        head += ", out of memory"
    cut = f"\n[{done.cut} bytes left out]" if done.cut else ""
    return f"{head}\n{clip(done.output, budget)}{cut}".rstrip()


def failure_note(tests: Tests) -> str:
    """What failed, in one line that memory can teach."""
    if tests.timed_out:
        return "the tests timed out"
    if not tests.ran:
        return "the tests could not start"
    failing = [case for case in tests.cases if case.outcome in ("failed", "error")]
    if not failing:
        return f"the tests ended with exit code {tests.exit_code}"
    names = ", ".join(case.name for case in failing[:3])
    more = f" and {len(failing) - 3} more" if len(failing) > 3 else ""
    return f"{names}{more} failed: {failing[0].message}".rstrip(": ")


def hinted(step: Step, *hints: str) -> Step:
    """The step with what the user says of it at the end of its observation."""
    return replace(step, observation=below(step.observation, *hints))


def below(text: str, *hints: str) -> str:
    """A text with what the user says of it below."""
    return "\n".join([text, *(f"hint: {hint}" for hint in hints)])
