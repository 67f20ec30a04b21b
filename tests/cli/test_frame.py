"""The frame of the command line: the table of commands, help, errors, exit codes, signals."""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.main import get_command

from salecli import __version__, errors
from salecli.cli import COMMANDS, main, table
from salecli.cli.exits import Exit, code_of

ROOT = Path(__file__).resolve().parents[2]


def commands() -> Iterator[tuple[str, Any]]:
    """Every command and sub-command, with its full name."""
    root: Any = get_command(table.app)
    context = typer.Context(root, info_name="sale")
    waiting = [(name, root.get_command(context, name)) for name in COMMANDS]
    while waiting:
        name, command = waiting.pop(0)
        yield name, command
        for sub, inner in getattr(command, "commands", {}).items():
            waiting.append((f"{name} {sub}", inner))


def test_every_command_has_help_with_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    without = []
    for name, _ in commands():
        assert main([*name.split(), "--help"]) == Exit.SOLVED, name
        text = capsys.readouterr().out
        if "Example" not in text or f"sale {name.split()[0]}" not in text.partition("Example")[2]:
            without.append(name)
    assert without == []


def test_every_option_of_every_command_is_explained() -> None:
    silent = [
        f"{name} {parameter.name}"
        for name, command in commands()
        for parameter in command.params
        if not getattr(parameter, "help", None) and not getattr(parameter, "hidden", False)
    ]
    assert silent == []


def test_the_table_of_commands_says_what_their_help_says() -> None:
    for name, command in commands():
        if name in COMMANDS:
            assert command.help.strip().splitlines()[0] == COMMANDS[name], name


def test_every_command_is_a_module_of_its_own() -> None:
    for name in COMMANDS:
        assert isinstance(importlib.import_module(f"salecli.cli.{name}").app, typer.Typer)


def test_help_lists_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    for name in COMMANDS:
        assert f"\n  {name} " in out
    assert main(["-h"]) == 0
    assert capsys.readouterr().out == out


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"sale {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (["sovle"], ["no command 'sovle'", "sale solve"]),
        (["frobnicate"], ["no command 'frobnicate'", "solve, batch"]),
        (["--bogus"], ["--bogus", "sale --help"]),
        (["init", "--bogus"], ["--bogus", "sale init --help"]),
        (["models", "lsit"], ["lsit", "sale models --help"]),
    ],
)
def test_a_usage_error_is_one_message_and_a_hint(
    arguments: list[str], wanted: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == Exit.USAGE
    seen = capsys.readouterr()
    assert seen.out == ""
    assert seen.err.startswith("sale: ")
    assert len(seen.err.splitlines()) == 2
    for text in wanted:
        assert text in seen.err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.UsageError, 2),
        (errors.ConfigError, 2),
        (errors.RepositoryError, 2),
        (errors.PatchRefused, 2),
        (errors.MemoryFault, 2),
        (errors.EnvironmentFault, 3),
        (errors.ModelError, 3),
        (errors.SandboxError, 3),
    ],
)
def test_exit_codes_by_kind(error: type[errors.SaleError], code: int) -> None:
    assert code_of(error("m")) == code


COMMAND = """
import sys, time, types, typer
from salecli import cli, errors
module = types.ModuleType("salecli.cli.probe")
module.app = typer.Typer()
sys.modules["salecli.cli.probe"] = module
cli.COMMANDS["probe"] = "A command of the test."

@module.app.command()
def probe() -> None:
{body}

sys.exit(cli.main(["probe"]))
"""


def start(body: str, **options: Any) -> subprocess.Popen[str]:
    """A process in which `sale probe` runs `body`."""
    indented = "".join(f"    {line}\n" for line in body.strip().splitlines())
    return subprocess.Popen(
        [sys.executable, "-c", COMMAND.format(body=indented)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        **options,
    )


def test_an_expected_failure_has_no_traceback() -> None:
    process = start('raise errors.ModelError("xs.gguf: not a GGUF file", "type: sale models list")')
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (3, "")
    assert err == "sale: xs.gguf: not a GGUF file\n      type: sale models list\n"


def test_what_others_wrote_is_cleaned_in_messages() -> None:
    process = start(r'raise errors.UsageError("file \x1b[31mred\u202e")')
    _, err = process.communicate(timeout=60)
    assert err == "sale: file \\x1b[31mred\\u202e\n"


def test_a_bug_is_a_traceback() -> None:
    process = start('raise RuntimeError("a bug")')
    _, err = process.communicate(timeout=60)
    assert process.returncode == Exit.BUG
    assert err.startswith("Traceback")
    assert err.endswith("RuntimeError: a bug\n")


WAIT = """
try:
    print("ready", flush=True)
    time.sleep(60)
finally:
    print("cleaned", flush=True)
{after}
"""


@pytest.mark.parametrize(
    ("number", "code", "said"), [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")]
)
def test_a_signal_ends_a_run_in_order(number: signal.Signals, code: int, said: str) -> None:
    process = start(WAIT.format(after=""))
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (code, "cleaned\n", f"sale: {said}\n")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_is_not_lost_where_python_drops_exceptions(number: signal.Signals, code: int) -> None:
    """As in the callbacks by which an import gives its lock back."""
    body = f"""
import signal, weakref
class Lock: pass
lock = Lock()
watch = weakref.ref(lock, lambda _: signal.raise_signal({int(number)}))
del lock
try:
    time.sleep(30)
    print("went on")
finally:
    print("cleaned")
"""
    process = start(body)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (code, "cleaned\n")
    assert err.startswith("sale: ")
    assert err.count("\n") == 1


def test_a_second_interrupt_ends_at_once() -> None:
    process = start(WAIT.format(after="    time.sleep(60)\n    print('too late', flush=True)"))
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    assert process.stdout.readline() == "cleaned\n"
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=30)
    assert (process.returncode, out) == (130, "")


def test_a_closed_pipe_is_quiet_and_keeps_the_exit_code() -> None:
    body = """
from salecli.cli.output import Output
out = Output()
sys.stdin.readline()
for number in range(100_000):
    out.result("x" * 100)
raise typer.Exit(1)
"""
    process = start(body, stdin=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdin is not None
    assert process.stderr is not None
    process.stdout.close()
    process.stdin.write("go\n")
    process.stdin.close()
    assert process.wait(timeout=60) == 1
    assert process.stderr.read() == ""
    process.stderr.close()


def test_python_m_salecli() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "salecli", "--version"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == f"sale {__version__}\n"


def test_an_ignored_interrupt_stays_ignored() -> None:
    """A job that a script put into the background ignores Ctrl-C, and so does what it starts."""
    process = start(
        'print("ready", flush=True)\nsys.stdin.readline()\nprint("went on")',
        stdin=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    os.kill(process.pid, signal.SIGINT)
    time.sleep(0.1)  # only lets a wrong handler show itself; a right one cannot fail here
    out, err = process.communicate("go\n", timeout=30)
    assert (process.returncode, out, err) == (0, "went on\n", "")
