"""The models screen: the pool's files against the memory there is; each model can be loaded and tried."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from rich.text import Text
from textual import events, on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen, Screen
from textual.widgets import DataTable, Static

from salecli.checks import look
from salecli.core.text import clean
from salecli.core.words import amount, milliseconds, plural, rate, shortened
from salecli.errors import ModelError, SaleError
from salecli.tui.widgets.headline import Headline
from salecli.tui.widgets.keyline import KeyLine

if TYPE_CHECKING:
    from salecli.adapters.llama import LlamaModel
    from salecli.adapters.residency import Residency
    from salecli.adapters.tryout import Tried
    from salecli.config import Settings
    from salecli.pool import AgentSpec, PoolSpec

_COLUMNS = (
    ("agent", 14), ("USD/Mt", 6), ("context", 7), ("size", 8), ("memory", 8), ("state", 9), ("tokens/s", 8),
)  # fmt: skip
_SHED = ("context", "USD/Mt", "size", "tokens/s", "memory")
"""What a narrow screen leaves out first."""
_RIGHT = ("USD/Mt", "context", "size", "memory", "tokens/s")
Answer = TypeVar("Answer")


@dataclass(slots=True)
class Seen:
    """One agent's model: what its file says, and what was tried with it here."""

    spec: AgentSpec
    found: dict[str, Any]
    """Of `salecli.checks.look`."""
    model: LlamaModel | None = None
    """None where the file is missing or is no model."""
    doing: str = ""
    """What goes on with it now."""
    tried: Tried | None = None
    said: list[str] = field(default_factory=list)
    """What came of the last action, in lines."""

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def state(self) -> str:
        """In a word or two."""
        if self.doing:
            return self.doing
        if self.spec.remote:
            return "on a server"
        if self.model is None:
            return "missing" if self.found["state"] == "missing" else "unusable"
        return "resident" if self.model.loaded else "found"


class ModelTable(DataTable[Text]):
    """One agent a line, in the pool's order."""

    HELP: ClassVar = """\
# Models

One agent a line, in the pool's order. *size* is its file's, *memory* what it takes when it is loaded, an
estimate. *state*: **found** the file is there; **resident** it is loaded; **on a server** nothing of it is
loaded here; **missing** and **unusable** say below what to type. *tokens/s* is measured by a check.
"""


class ModelsScreen(Screen[None]):
    """The pool of `settings`. Models that are loaded here are unloaded when the screen is left."""

    HELP: ClassVar = """\
# Models

The agents of the pool, their model files, and the memory that they may take. **c** loads a model, lets it
write some words and says how fast it was; **l** loads it, **u** unloads it; **r** looks for the files again.
**Esc** cancels what goes on. What was loaded here is unloaded when you go to another screen: a run loads its
own models.
"""
    CSS_PATH: ClassVar = "models.tcss"
    AUTO_FOCUS: ClassVar[str | None] = "#models"
    # Textual's own annotation of these is no ClassVar.
    HORIZONTAL_BREAKPOINTS = [(0, "-tiny"), (40, "-narrow"), (76, "-medium"), (100, "-wide")]  # noqa: RUF012
    VERTICAL_BREAKPOINTS = [(0, "-flat"), (8, "-low"), (18, "-high")]  # noqa: RUF012
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("c", "check", "Check", id="models.check", tooltip="Load it, let it write, measure its speed"),
        Binding("l", "load", "Load", id="models.load", tooltip="Load this model into memory"),
        Binding("u", "unload", "Unload", id="models.unload", tooltip="Free this model's memory"),
        Binding("r", "look", "Look again", id="models.look", tooltip="Look for the model files again"),
        Binding("escape", "cancel", "Cancel", id="models.cancel", tooltip="Cancel what goes on"),
    ]

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.settings = settings
        self._pool: PoolSpec | None = None
        self._seen: list[Seen] = []
        self._residency: Residency | None = None
        self._free = 0
        self._job: Seen | None = None
        """The model that something is done with; one at a time."""
        self._cancelled = False

    def compose(self) -> ComposeResult:
        yield Headline()
        yield Static("looking for the pool's models", id="pool", markup=False)
        yield Static("", id="memory", markup=False)
        yield ModelTable(id="models", cursor_type="row", zebra_stripes=True)
        with VerticalScroll(id="detail"):
            for name in ("name", "facts", "file", "said"):
                yield Static("", id=name, markup=False)
        yield KeyLine()

    def on_mount(self) -> None:
        self.action_look()

    def on_resize(self) -> None:
        self._fill()

    def on_screen_suspend(self, event: events.ScreenSuspend) -> None:
        """Leaving frees the memory for a run; a dialog on top is no leaving."""
        if not isinstance(self.app.screen, ModalScreen):
            self._release()

    async def on_unmount(self) -> None:
        self._stop()
        if self._residency is not None:
            await asyncio.to_thread(self._residency.close_all)

    # --- what there is ----------------------------------------------------------------------------------

    @work(exclusive=True, group="look")
    async def action_look(self) -> None:
        """Read the pool file and the models' headers anew; what is loaded stays loaded."""
        try:
            pool, found, free = await asyncio.to_thread(_look, self.settings)
        except SaleError as error:
            self._tell("pool", "the pool cannot be read")
            self._tell("said", _fault(error))
            return
        if self._residency is None:
            from salecli.adapters.residency import Residency

            # What is loaded here counts as taken: the budget is of what was free before.
            self._free = free
            self._residency = Residency(self.settings.models.budget_bytes(free))
        known = {
            seen.spec: seen for seen in self._seen if seen.model and (seen.model.loaded or seen.model.same)
        }
        self._pool = pool
        self._seen = []
        for spec, row in zip(pool.agents, found, strict=True):
            seen = known.get(spec) or Seen(
                spec, row, self._model(spec) if row["memory"] is not None else None
            )
            seen.found = row
            self._seen.append(seen)
        self._fill()

    def _model(self, spec: AgentSpec) -> LlamaModel:
        from salecli.fitted import local

        assert self._residency is not None
        return local(self.settings, spec, self._residency)[0]

    # --- showing ----------------------------------------------------------------------------------------

    def _tell(self, where: str, text: str) -> None:
        self.query_one(f"#{where}", Static).update(clean(text))

    def _fill(self) -> None:
        """Show everything anew; the cursor stays where it is."""
        if not self.query(ModelTable):
            return  # the app is closing while a model still ends
        table = self.query_one(ModelTable)
        row = table.cursor_row
        table.clear(columns=True)
        widths = dict(_COLUMNS)
        widths["agent"] = min(max([5, *(len(seen.name) for seen in self._seen)]), widths["agent"])
        widths["state"] = max(widths["state"], *(len(seen.state) for seen in self._seen), 0)
        names = list(widths)
        for name in _SHED:
            if sum(widths[column] + 2 for column in names) <= self.size.width - 2:
                break
            names.remove(name)
        for name in names:
            table.add_column(Text(name, justify="right" if name in _RIGHT else "left"), width=widths[name])
        for seen in self._seen:
            cells = _cells(seen)
            table.add_row(
                *(Text(cells[name], justify="right" if name in _RIGHT else "left") for name in names)
            )
        table.move_cursor(row=row)
        if self._pool is not None:
            self._tell("pool", f"pool {self._pool.name}: {plural(len(self._seen), 'model')}")
            self._tell("memory", self._memory())
        self._say()

    def _memory(self) -> str:
        """Loaded, budget and demand, as a bar and in numbers."""
        assert self._residency is not None
        used, budget = self._residency.used, self._residency.budget
        here = [seen for seen in self._seen if not seen.spec.remote]
        found = [seen.found["memory"] for seen in here if seen.found["memory"] is not None]
        every = sum(found)
        share = self.settings.models.budget
        whence = f", {share} of what was free" if share.endswith("%") else ""
        fits = "all fit at once" if every <= budget else "they take turns"
        together = f"all models together take about {amount(every)}: {fits}"
        if not here:
            together = "all models are on servers"
        elif len(found) < len(here):
            together = f"{len(found)} of {plural(len(here), 'model')} can be loaded"
        return f"memory {bar(used, budget, 20)} {amount(used)} of {amount(budget)}{whence}\n{together}"

    @on(DataTable.RowHighlighted)
    def _say(self) -> None:
        """What is known of the model under the cursor."""
        seen = self._chosen()
        if seen is None:
            return
        found = seen.found
        self._tell("name", f"{seen.name}: {seen.state}")
        price = (
            "by time, not measured"
            if found["price"] is None
            else f"{rate(found['price'])} USD per million tokens"
        )
        facts = [f"price {price}", f"context {seen.spec.context:,} tokens"]
        if found["seconds"] is not None:
            facts.append(f"{milliseconds(found['seconds'])} ms per token here")
        if found["memory"] is not None:
            facts += [f"file {amount(found['bytes'])}", f"about {amount(found['memory'])} when loaded"]
        self._tell("facts", "   ".join(facts))
        self._tell("file", found["file"])
        said = list(seen.said)
        if seen.spec.remote:
            said = [f"its server is asked by: sale models list --pool {shlex.quote(self.settings.pool)}"]
        elif seen.model is None:
            said = [found["state"] if found["state"] != "missing" else "the file is missing"]
            said += [f"type: {found['hint']}"] if found["hint"] else []
        self._tell("said", "\n".join(said))

    def _chosen(self) -> Seen | None:
        row = self.query_one(ModelTable).cursor_row
        return self._seen[row] if 0 <= row < len(self._seen) else None

    # --- doing ------------------------------------------------------------------------------------------

    def action_load(self) -> None:
        self._begin("loading", _load)

    def action_check(self) -> None:
        self._begin("checking", _check)

    def action_unload(self) -> None:
        self._begin("unloading", _unload)

    def action_cancel(self) -> None:
        self._stop()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Cancel is offered while there is something to cancel."""
        return self._job is not None if action == "cancel" else True

    def _begin(self, doing: str, action: Callable[[Seen], list[str]]) -> None:
        seen = self._chosen()
        if seen is None:
            return
        if self._job is not None:
            self.notify(f"{self._job.name} is {self._job.doing}; Esc cancels", markup=False)
        elif seen.model is None:
            self.notify(f"{seen.name}: {seen.state}", severity="warning", markup=False)
        else:
            self._job, seen.doing, self._cancelled = seen, doing, False
            seen.said = [f"{doing}; Esc cancels"]
            self.refresh_bindings()
            self._do(seen, action)

    @work(group="job")
    async def _do(self, seen: Seen, action: Callable[[Seen], list[str]]) -> None:
        """One action with one model, in a thread; the model itself works in its own process."""
        self._fill()
        try:
            seen.said = await asyncio.to_thread(action, seen)
        except ModelError as error:
            seen.said = ["cancelled"] if self._cancelled else [_fault(error)]
        finally:
            self._job, seen.doing = None, ""
        self.refresh_bindings()
        self._fill()

    def _stop(self) -> None:
        job = self._job
        if job is not None and job.model is not None:
            self._cancelled = True
            job.model.cancel()

    @work(group="release")
    async def _release(self) -> None:
        """Unload everything that was loaded here, and say so."""
        self._stop()
        residency = self._residency
        if residency is None or not residency.resident:
            return
        names = ", ".join(residency.resident)
        await asyncio.to_thread(residency.close_all)
        self.app.notify(f"unloaded, as you left the models screen: {names}", markup=False)
        self._fill()


def _look(settings: Settings) -> tuple[PoolSpec, list[dict[str, Any]], int]:
    from salecli.adapters.machine import free_memory
    from salecli.pool import load_pool

    pool = load_pool(settings.pool, settings.models.folder)
    return pool, [look(agent, settings.models.hour) for agent in pool.agents], free_memory()


def _load(seen: Seen) -> list[str]:
    assert seen.model is not None
    loaded = seen.model.load()
    return [f"loaded in {loaded.seconds:.1f} s" if loaded else "it was loaded already"]


def _unload(seen: Seen) -> list[str]:
    assert seen.model is not None
    was = seen.model.loaded
    seen.model.close()
    return ["unloaded; its memory is free" if was else "it was not loaded"]


def _check(seen: Seen) -> list[str]:
    from salecli.adapters.tryout import try_out

    assert seen.model is not None
    tried = seen.tried = try_out(seen.model)
    vocabulary = seen.model.vocabulary
    loading = "it was loaded already" if tried.loading is None else f"loaded in {tried.loading:.1f} s"
    speed = "too few to measure its speed" if tried.speed is None else f"{tried.speed:,.0f} tokens/s"
    return [
        f"fine: {loading}; wrote {plural(tried.tokens, 'token')}, {speed}",
        f"entropy works: {tried.entropy:.2f} nats/token in the mean, exact over {vocabulary:,} tokens",
    ]


def _cells(seen: Seen) -> dict[str, str]:
    found, tried = seen.found, seen.tried
    return {
        "agent": shortened(clean(seen.name, newlines=False), 14),
        "USD/Mt": "-" if seen.found["price"] is None else rate(seen.found["price"]),
        "context": f"{seen.spec.context:,}",
        "size": amount(found["bytes"]),
        "memory": amount(found["memory"]),
        "state": seen.state,
        "tokens/s": f"{tried.speed:,.0f}" if tried and tried.speed else "-",
    }


def _fault(error: SaleError) -> str:
    return f"{error.message}\n{error.hint}" if error.hint else error.message


def bar(part: int, whole: int, width: int) -> str:
    """A share as a bar; what is more than nothing shows."""
    full = min(width, -(-part * width // whole)) if whole else 0
    return "█" * full + "▁" * (width - full)
