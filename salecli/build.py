"""Settings to House: the one module that knows both the core and the adapters."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from salecli import resources
from salecli.adapters.changes import part_of
from salecli.adapters.container import SandboxLimits
from salecli.adapters.docker import DockerWorkspace
from salecli.adapters.embedder import MiniLM
from salecli.adapters.engine import connect, settle
from salecli.adapters.git import Repository, Snapshot
from salecli.adapters.image import pinned
from salecli.adapters.journal import Run, recorded
from salecli.adapters.prune import prune
from salecli.adapters.residency import Residency
from salecli.adapters.sqlite import SqliteMemory
from salecli.adapters.testing import detect_test_command
from salecli.config import Settings
from salecli.core import events
from salecli.core.agent import Agent, Pool, Profile
from salecli.core.decisions import Decisions
from salecli.core.house import House
from salecli.core.limits import WorkLimits
from salecli.core.ports import Model
from salecli.core.prompts import Templates
from salecli.core.tasks import make_task
from salecli.core.values import Patch, Task, Verdict
from salecli.core.verdict import reached
from salecli.endpoints import Endpoints
from salecli.errors import ModelError, PatchRefused, RepositoryError
from salecli.fitted import check_pulled, local, residency_of
from salecli.pool import AgentSpec, PoolSpec, load_pool
from salecli.pricing import Price, price_of, unmeasured
from salecli.sampling import PHASES
from salecli.weighing import in_use

if TYPE_CHECKING:
    from docker import DockerClient

__all__ = ["Built", "House", "Shared", "Task", "house", "market"]


@dataclass(frozen=True, slots=True)
class Built:
    """A house on one snapshot of a repository, and how to make tasks for it."""

    house: House
    repository: Repository
    snapshot: Snapshot
    workspace: DockerWorkspace
    test_command: str

    def task(self, text: str, name: str) -> Task:
        """The task that an issue's text describes; `name` is its title where it has no heading."""
        return make_task(
            text,
            name,
            self.repository.name,
            self.snapshot.tree,
            self.snapshot.files,
            self.snapshot.read,
            self.test_command,
        )

    def play(self, run: Run, text: str, name: str) -> events.Stream:
        """Sell an issue's task, every event written to the run's journal before it is handed on.

        Raises:
            SaleError: a broken setup, before the first event.
        """
        task = self.task(text, name)
        run.note(repository=str(self.repository.top), issue=name, title=task.title, pool=self.house.pool.name)
        yield from recorded(run, self.house.run(task, run.id))

    def cancel(self) -> None:
        """End what other threads wait for: the models' calls, and the sandboxes themselves."""
        for agent in self.house.pool.agents:
            agent.model.cancel()
        self.workspace.close()

    def part(self, patch: Patch, diff: str) -> Patch:
        """What `diff`, some of the hunks of `patch`, makes of the snapshot: a patch of its own.

        Raises:
            PatchRefused: it does not apply without the rest, or breaks the path policy.
        """
        if patch.base != self.snapshot.tree:
            raise PatchRefused("the patch was made from another state of the repository", "start a new run")
        return part_of(self.snapshot.store, patch.base, self.snapshot.entries, diff, self.workspace.decides)

    def verify(self, patch: Patch) -> Verdict:
        """What the original tests say of a patch, in a fresh sandbox.

        Raises:
            SaleError: the patch is refused, or the sandbox went away.
        """
        after = self.workspace.verify(patch)
        before = self.workspace.before
        assert before is not None  # what comes after was compared with it
        return reached(before.tests, after)


class Shared:
    """What the houses of one process share: the engine, the embedder, the models, the memories.

    Threads may open houses at the same time. `records` False lets memory teach, and writes nothing into it.
    """

    def __init__(self, records: bool = True) -> None:
        """Nothing is opened yet."""
        self._records = records
        self._stack = ExitStack()
        self._opening = threading.RLock()
        self._residency: Residency | None = None
        self._client: DockerClient | None = None
        self._embedder: MiniLM | None = None
        self._pools: dict[Hashable, Pool] = {}
        self._memories: dict[Hashable, SqliteMemory] = {}

    @contextmanager
    def house(
        self, settings: Settings, repository: Repository, run: Run, decisions: Decisions, base: str = ""
    ) -> Iterator[Built]:
        """Everything that one run needs, checked before anything is loaded, closed at the end.

        The run begins with the files of the commit `base`; without one, with HEAD and the user's changes.

        Raises:
            SaleError: what is wrong, and what to type next.
        """
        with ExitStack() as stack:
            spec = load_pool(settings.pool, settings.models.folder)
            override = decisions.overridden()
            if override is not None:
                spec.agent(override.agent)
            pool, memory, client = self._means(settings, spec)
            snapshot = stack.enter_context(repository.snapshot(commit=base))
            command = settings.test_command or detect_test_command(snapshot.files, snapshot.read)
            if not command:
                raise RepositoryError(
                    f"{repository.name} has no tests that sale can find",
                    'add tests, or say how to run them: --test-cmd "make test", or test_command in sale.toml',
                )
            workspace = stack.enter_context(
                DockerWorkspace(
                    snapshot, command, run.id, sandbox_limits(settings), settings.sandbox.image, client
                )
            )
            built = House(
                pool=pool,
                workspace=workspace,
                memory=memory,
                decisions=decisions,
                limits=WorkLimits(
                    steps=min(settings.work.steps, spec.limits.steps or settings.work.steps),
                    tokens=settings.work.tokens,
                    seconds=settings.work.seconds,
                ),
                attempts=settings.attempts,
                seed=settings.seed,
                refines=settings.refine,
                records=self._records,
                dirty=len(snapshot.dirty),
            )
            yield Built(built, repository, snapshot, workspace, command)

    def ready(self, settings: Settings) -> None:
        """Find out at once what every run by these settings would miss: models, engine, image, memory.

        Raises:
            SaleError: what is missing, and what to type next.
        """
        self._means(settings, load_pool(settings.pool, settings.models.folder))
        self.check(settings)

    def check(self, settings: Settings) -> None:
        """Ask whether what every run needs is still there: the engine, the image, the memory.

        Raises:
            SaleError: what is not.
        """
        with closing(connect()) as client:
            pinned(client, settings.sandbox.image)
            settle(client)
        for memory in tuple(self._memories.values()):
            memory.size()

    def close(self) -> None:
        """End the models and the embedder, and leave the engine."""
        self._stack.close()

    def __enter__(self) -> Shared:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _means(self, settings: Settings, spec: PoolSpec) -> tuple[Pool, SqliteMemory, DockerClient]:
        """The pool, the memory and the engine's client, opened where nobody asked for them before."""
        with self._opening:
            if self._residency is None:
                self._residency = self._stack.enter_context(residency_of(settings))
            served = tuple(sorted(settings.endpoints.items()))
            # The hash tells a model file that was replaced from the one before it.
            wanted = (
                spec.file, spec.hash(), settings.thrift, settings.calibration, settings.models, served,
                settings.memory.k,
            )  # fmt: skip
            pool = self._pools.get(wanted)
            if pool is None:
                endpoints = self._stack.enter_context(closing(Endpoints(settings)))
                pool = self._pools[wanted] = stocked(settings, spec, self._residency, endpoints)
            # What may be missing is asked for first: nothing is started or copied in vain.
            if self._client is None:
                self._client = connect()
                self._stack.callback(self._client.close)
                self._stack.callback(settle, self._client)
                prune(settings.keep_runs)
            if self._embedder is None:
                self._embedder = MiniLM()
                self._stack.callback(self._embedder.close)
            kept = (settings.memory.path, pool.hash, pool.prompts_hash)
            memory = self._memories.get(kept)
            if memory is None:
                memory = SqliteMemory(settings.memory.path, self._embedder, pool.hash, pool.prompts_hash)
                if memory.fault is not None:
                    raise memory.fault
                self._memories[kept] = memory
            # It loads in the background, and is wanted when the first bids are marked.
            self._embedder.preload()
            return pool, memory, self._client


@contextmanager
def house(settings: Settings, repository: Repository, run: Run, decisions: Decisions) -> Iterator[Built]:
    """The house of a run that shares nothing with others, closed at the end.

    Raises:
        SaleError: what is wrong, and what to type next.
    """
    with Shared() as shared, shared.house(settings, repository, run, decisions) as built:
        yield built


@contextmanager
def market(settings: Settings, spec: PoolSpec) -> Iterator[Pool]:
    """The pool's agents with their models, which share one memory budget; closed at the end.

    Raises:
        ModelError: a model file is missing or is no whole text model.
    """
    with residency_of(settings) as residency, closing(Endpoints(settings)) as endpoints:
        yield stocked(settings, spec, residency, endpoints)


def stocked(settings: Settings, spec: PoolSpec, residency: Residency, endpoints: Endpoints) -> Pool:
    """The pool's agents with their models, none of them loaded or asked yet.

    Raises:
        ModelError: a model file is missing or is no whole text model.
        ConfigError: an endpoint is not in the user's configuration, or its key is not there.
    """
    check_pulled(spec)
    templates = Templates(resources.templates(spec.prompt_folder()))
    shown = spec.prompts
    profile = Profile(templates, shown.files, shown.named, shown.observation, shown.output, shown.pairs)
    agents = []
    for one in spec.agents:
        price = price_of(one, settings.models.hour)
        if one.remote:
            served = endpoints.model(one)
            agents.append(_agent(spec, one, price, served, profile, remote=True, told=served.told))
            continue
        try:
            model, less = local(settings, one, residency)
        except ModelError as error:
            raise ModelError(f"agent {one.name} of pool {spec.name}: {error.message}", error.hint) from error
        if price.usd is None:
            raise unmeasured(one, settings.pool)
        agents.append(_agent(spec, one, price, model, profile, told=_once(less)))
    market = in_use(spec, templates.hash, settings.thrift, settings.calibration)
    return Pool(
        name=spec.name,
        agents=tuple(agents),
        weights=market.weights,
        corrections=market.corrections,
        source=market.source,
        plan_tokens=spec.plan_tokens,
        hash=spec.hash(),
        prompts_hash=templates.hash,
        at_once=spec.at_once,
        pairs=settings.memory.k,
        jury=spec.jury.size if spec.jury is not None and spec.jury.size < len(agents) else 0,
    )


def _agent(
    spec: PoolSpec, one: AgentSpec, price: Price, model: Model, profile: Profile, **more: Any
) -> Agent:
    assert price.usd is not None  # where it was not measured, nothing is sold
    return Agent(
        name=one.name,
        price=price.usd,
        model=model,
        profile=profile,
        sampling=spec.limits_of(one),
        phases={phase: spec.limits_of(one, phase) for phase in PHASES},
        seconds=price.seconds,
        plan_tokens=spec.plan_tokens,
        reply_tokens=spec.limits.reply_tokens,
        **more,
    )


def _once(notes: list[str]) -> Callable[[], list[str]]:
    """Tells the notes at the first call, and nothing afterwards."""

    def told() -> list[str]:
        said = notes[:]
        notes.clear()
        return said

    return told


def sandbox_limits(settings: Settings) -> SandboxLimits:
    """What one sandbox may use."""
    chosen = settings.sandbox
    return SandboxLimits(
        seconds=chosen.command_seconds,
        memory=chosen.memory_bytes,
        cpus=chosen.cpus,
        pids=chosen.pids,
        output=chosen.output_bytes,
        tree=chosen.size_bytes,
    )
