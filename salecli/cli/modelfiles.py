"""`sale models pull`, `verify` and `rm`: a pool's files from a model hub."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from salecli.adapters.hub import Wanted
    from salecli.adapters.modellock import ModelLock
    from salecli.pool import PoolSpec

Named = Annotated[
    str | None,
    typer.Argument(metavar="POOL", help="A pool's name, or a pool file; else the configured one."),
]
Json = Annotated[bool, typer.Option("--json", help="One JSON line per model on stdout.")]


def pull(
    pool: Named = None,
    update: Annotated[
        bool, typer.Option("--update", help="Look for newer files; else what was pulled once stays.")
    ] = False,
    retries: Annotated[
        int, typer.Option("--retries", min=0, help="Tries in a row that bring no byte before it gives up.")
    ] = 5,
    json: Json = False,
) -> None:
    """Pull a pool's model files from a model hub: resumed where they were cut, verified by their sha256.

    HF_ENDPOINT, HF_TOKEN, HF_HUB_OFFLINE, HF_HOME and the proxies' variables count. The same command goes on
    where the last one was ended.
    """
    from salecli.adapters import hub
    from salecli.adapters.pull import Pull, failed
    from salecli.cli.interrupts import Terminated
    from salecli.cli.output import Output
    from salecli.cli.pulling import carried_out
    from salecli.core.words import amount

    output = Output(lines=json)
    spec, name, lock = _opened(pool)
    wanted = _wanted(spec, lock)
    if not wanted:
        output.story(f"pool {spec.name}: nothing to pull from a hub")
        return
    if hub.insecure(wanted):
        output.story(f"{hub.host()} is asked over plain http: your token can be read on the way")
    job = Pull(lock, name, output.story, update, retries)
    try:
        transfers = job.prepare(wanted)
        if transfers:
            missing = sum(one.bytes - one.done for one in transfers)
            output.story(f"{amount(missing)} to pull from {hub.host()} into {lock.folder}")
        errors = carried_out(output, transfers, job.one, job.stop)
    except (KeyboardInterrupt, Terminated):
        output.story("what has arrived stays; the same command goes on where it was")
        raise
    if errors:
        raise failed(errors)
    entries = lock.read()
    for one in wanted:
        entry = entries[lock.name(one.path)]
        if json:
            kept = {name: getattr(entry, name) for name in ("bytes", "sha256", "repository", "revision")}
            output.record({"pool": spec.name, "file": str(one.path), **kept})
        else:
            output.result(f"{one.path}  {amount(entry.bytes)}  sha256 {entry.sha256[:12]}  verified")


def verify(pool: Named = None, json: Json = False) -> None:
    """Hash a pool's pulled files again. The exit code is 3 where one is damaged or missing."""
    import threading

    from salecli.adapters.download import Transfer
    from salecli.adapters.pull import check, failed
    from salecli.cli.exits import Exit
    from salecli.cli.output import Output
    from salecli.cli.pulling import carried_out

    output = Output(lines=json)
    spec, _, lock = _opened(pool)
    stop = threading.Event()
    entries, states = lock.read(), {}
    transfers = []
    for one in _wanted(spec, lock):
        entry = entries.get(lock.name(one.path))
        if not one.path.exists():
            states[one.path] = "missing"
        elif entry is None:
            states[one.path] = "not verified"
        else:
            transfers.append(Transfer(one, entry.bytes))

    def work(transfer: Transfer) -> None:
        states[transfer.wanted.path] = check(lock, transfer, stop)

    errors = carried_out(output, transfers, work, stop, quiet=True)
    if errors:
        raise failed(errors)
    for agent in spec.local:
        state = states.get(agent.path, "not from a hub")
        if json:
            output.record({"pool": spec.name, "agent": agent.name, "file": str(agent.path), "state": state})
        else:
            output.result(f"{agent.name}  {agent.path}  {state}")
    if any(state != "verified" for state in states.values()):
        output.story(f"type: {next(agent.pull for agent in spec.agents if agent.pull)}")
    if {"damaged", "missing"} & set(states.values()):
        raise typer.Exit(Exit.ENVIRONMENT)


def rm(
    pool: Named = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Remove without a question.")] = False,
) -> None:
    """Remove a pool's pulled files, after a question; those that another pool was pulled with stay.

    The exit code is 1 where the answer is no.
    """
    from salecli.adapters.pull import remove, spared
    from salecli.cli.exits import Exit
    from salecli.cli.output import Output, terminal
    from salecli.core.words import amount, plural
    from salecli.errors import UsageError

    output = Output()
    spec, name, lock = _opened(pool)
    going = []
    for one in _wanted(spec, lock):
        reason = spared(lock, one.path, name)
        if reason is None:
            going.append(one.path)
            size = one.path.stat().st_size if one.path.exists() else 0
            output.story(f"{one.path}: {amount(size)}")
        elif reason:
            output.story(f"{one.path} stays: {reason}")
    if not going:
        output.result("nothing to remove")
        return
    if not yes:
        if not (terminal(sys.stdin) and terminal(sys.stderr)):
            raise UsageError("nothing is removed without a yes", "in scripts: add --yes")
        output.story(f"Remove {plural(len(going), 'file')}? Type yes, or Enter to keep:")
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            output.story("nothing was removed")
            raise typer.Exit(Exit.NOT_SOLVED)
    freed = remove(lock, [one.path for one in _wanted(spec, lock)], name)
    output.result(f"{plural(len(going), 'file')} removed, {amount(freed)} free again")


def _opened(pool: str | None) -> tuple[PoolSpec, str, ModelLock]:
    """A pool, the name under which its files are held, and the models folder's lock."""
    from salecli.adapters.modellock import ModelLock
    from salecli.cli.where import repository_root
    from salecli.config import load_settings
    from salecli.pool import held_as, load_pool

    settings = load_settings(repository_root(Path()), {"pool": pool})
    spec = load_pool(settings.pool, settings.models.folder)
    return spec, held_as(settings.pool, spec.file), ModelLock(settings.models.folder)


def _wanted(spec: PoolSpec, lock: ModelLock) -> list[Wanted]:
    """The files that a hub has for a pool; one beside the pool file stands in for the hub's."""
    from salecli.adapters.hub import Wanted

    found = (
        Wanted(one.hub, one.model, one.revision, one.path)
        for one in spec.agents
        if one.hub and one.path.is_relative_to(lock.folder)
    )
    return list(dict.fromkeys(found))
