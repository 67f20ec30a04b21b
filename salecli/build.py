"""Settings to House: the one module that knows both the core and the adapters."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from salecli import resources
from salecli.adapters.changes import part_of
from salecli.adapters.container import SandboxLimits
from salecli.adapters.docker import DockerWorkspace
from salecli.adapters.embedder import MiniLM
from salecli.adapters.engine import connect
from salecli.adapters.git import Repository, Snapshot
from salecli.adapters.journal import Run
from salecli.adapters.llama import LlamaModel
from salecli.adapters.prune import prune
from salecli.adapters.residency import Residency, free_memory
from salecli.adapters.sqlite import SqliteMemory
from salecli.adapters.testing import detect_test_command
from salecli.config import Settings
from salecli.core.agent import Agent, Pool, Profile
from salecli.core.decisions import Decisions
from salecli.core.house import House
from salecli.core.limits import WorkLimits
from salecli.core.prompts import Templates
from salecli.core.tasks import make_task
from salecli.core.values import Patch, Task, Verdict
from salecli.core.verdict import reached
from salecli.errors import ModelError, PatchRefused, RepositoryError
from salecli.pool import PoolSpec, load_pool

__all__ = ["Built", "House", "Task", "house", "market"]


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


@contextmanager
def house(settings: Settings, repository: Repository, run: Run, decisions: Decisions) -> Iterator[Built]:
    """Everything that one run needs, checked before anything is loaded, closed at the end.

    Raises:
        SaleError: what is wrong, and what to type next.
    """
    with ExitStack() as stack:
        spec = load_pool(settings.pool, settings.models.folder)
        override = decisions.overridden()
        if override is not None:
            spec.agent(override.agent)
        pool = stack.enter_context(market(settings, spec))
        # What may be missing is asked for first: nothing is started or copied in vain.
        client = connect()
        stack.callback(client.close)
        embedder = MiniLM()
        stack.callback(embedder.close)
        memory = SqliteMemory(settings.memory.path, embedder, pool.hash, pool.prompts_hash)
        if memory.fault is not None:
            raise memory.fault
        # It loads in the background, and is wanted when the first bids are marked.
        embedder.preload()
        prune(settings.keep_runs)
        snapshot = stack.enter_context(repository.snapshot())
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
            dirty=len(snapshot.dirty),
        )
        yield Built(built, repository, snapshot, workspace, command)


@contextmanager
def market(settings: Settings, spec: PoolSpec) -> Iterator[Pool]:
    """The pool's agents with their models, which share one memory budget; closed at the end.

    Raises:
        ModelError: a model file is missing or is no whole text model.
    """
    templates = Templates(resources.templates(spec.prompt_folder()))
    shown = spec.prompts
    profile = Profile(templates, shown.files, shown.named, shown.observation, shown.output, shown.pairs)
    with Residency(settings.models.budget_bytes(free_memory())) as residency:
        agents = []
        for one in spec.agents:
            model = LlamaModel(
                one.path,
                name=one.name,
                context=one.context,
                threads=settings.models.threads or None,
                gpu_layers=None if settings.models.gpu_layers < 0 else settings.models.gpu_layers,
                residency=residency,
            )
            try:
                model.context  # noqa: B018 - reads the header, and checks the context against it
            except ModelError as error:
                raise ModelError(
                    f"agent {one.name} of pool {spec.name}: {error.message}", error.hint
                ) from error
            agents.append(
                Agent(
                    name=one.name,
                    price=one.price,
                    model=model,
                    profile=profile,
                    sampling=spec.limits_of(one),
                    plan_tokens=spec.plan_tokens,
                    reply_tokens=spec.limits.reply_tokens,
                )
            )
        yield Pool(
            name=spec.name,
            agents=tuple(agents),
            weights=spec.market_weights(settings.thrift),
            plan_tokens=spec.plan_tokens,
            hash=spec.hash(),
            prompts_hash=templates.hash,
            at_once=spec.at_once,
            pairs=settings.memory.k,
        )


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
