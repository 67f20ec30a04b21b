"""The app: which screens there are, how one gets from one to another, which run they show."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, cast

from textual import events
from textual.binding import BindingType
from textual.command import Provider
from textual.reactive import reactive
from textual.screen import Screen
from textual.timer import Timer

from salecli.errors import SaleError
from salecli.tui import messages, rooms
from salecli.tui.frame import Frame
from salecli.tui.keys import EVERYWHERE, not_now
from salecli.tui.look import Look
from salecli.tui.messages import Where
from salecli.tui.selected import selected_text
from salecli.tui.signals import Signals
from salecli.tui.widgets.headline import Heading
from salecli.tui.wiring import Wiring

if TYPE_CHECKING:
    # A run's events and values take a tenth of a second, and nobody has a run at the first frame.
    from salecli.tui.bridge import Bridge, Played, Taking
    from salecli.tui.replay import Replay

RATE = 15.0
"""Drains a second while a run gives events."""
RUN_SCREENS: tuple[Where, ...] = ("auction", "work", "review")
_SOON = 0.005
"""Seconds until the next drain where one was cut short."""


def _commands() -> type[Provider]:
    from salecli.tui.commands import SaleCommands

    return SaleCommands


class SaleApp(Frame):
    """The screens of `sale`."""

    TITLE = "sale"
    # The first screen's own is read with the rest: alone it would have all of it parsed once more.
    CSS_PATH: ClassVar = [Path(__file__).with_name("app.tcss"), Path(__file__).parent / "screens/start.tcss"]
    DEFAULT_MODE = "start"
    BINDINGS: ClassVar[list[BindingType]] = [*EVERYWHERE]
    COMMANDS: ClassVar[set[type[Provider] | Callable[[], type[Provider]]]] = {_commands}

    headline: reactive[Heading] = reactive(Heading(), init=False, repaint=False)

    def __init__(
        self,
        folder: Path,
        wiring: Wiring,
        *,
        look: Look | None = None,
        issue: Path | None = None,
        first: Callable[[], Played] | None = None,
        told: Sequence[str] = (),
    ) -> None:
        """`first` gives the run to show from the start; it is called in a thread. `told` is said at once."""
        look = look or Look()
        if first is not None:
            # Of this app alone, and before its stacks of screens are made.
            self.DEFAULT_MODE = "opening"  # type: ignore[misc]
        super().__init__(look.theme)
        self.folder, self.issue, self.wiring = folder.resolve(), issue, wiring
        self.control: Played | None = None
        """The run on the screens."""
        self.signals = Signals()
        self.headline = Heading(self.folder.name)
        self._first, self._told = first, told
        self._bridge: Bridge | None = None
        self._ticking: Timer | None = None
        self._screens: dict[str, Screen[None]] = {}
        """Those of the present run, where they were seen already."""
        self._turn = asyncio.Lock()
        """Held while one run takes the place of another."""
        self._question: Screen[bool] | None = None
        """What was asked last; ctrl+q or ctrl+c is a yes to it."""
        for where in ("start", "memory", "models"):
            self.add_mode(where, partial(rooms.apart, where, self.folder, issue, wiring))
        self.add_mode("opening", rooms.opening)
        self.set_keymap(dict(look.keys))

    def on_mount(self) -> None:
        self.call_after_refresh(gc.enable)
        self._ticking = self.set_interval(1 / RATE, self._tick, pause=True)
        if self._told:
            self.warn("\n".join(self._told))
        if self.signals.number:
            self.exit()
        elif self._first is not None:
            self.call_after_refresh(self.show, self._first)

    # --- screens ----------------------------------------------------------------------------------------

    def _run_screen(self, where: Where, control: Played) -> Screen[None]:
        self._screens[where] = rooms.of_a_run(where, control, self.wiring)
        return self._screens[where]

    def _go(self, where: Where) -> None:
        if where in RUN_SCREENS and self.control is None:
            self.notify("No run yet: name a task first.", severity="warning")
            return
        try:
            self.switch_mode(where)
        except SaleError as error:  # a broken configuration
            self.complain(error)

    # --- the run ----------------------------------------------------------------------------------------

    def show(self, opens: Callable[[], Played]) -> None:
        """Put a run on the screens; the one before ends first, and is asked about where it goes on."""
        if self.going:
            self._ask("Stop the run that goes on?", lambda: self._show_in_turn(opens))
        else:
            self._show_in_turn(opens)

    @property
    def going(self) -> bool:
        """Whether a live run has not ended."""
        return self.control is not None and self.control.live and not self.control.ended

    def _ask(self, question: str, then: Callable[[], object]) -> None:
        from salecli.tui.screens.dialogs import Confirm

        text = "What was done until now stays in its folder; models and containers are ended."
        self._question = Confirm(question, text, "Stop it", "Go on", danger=True)

        def answered(yes: bool | None) -> None:
            if yes:
                then()

        self.push_screen(self._question, answered)

    def _show_in_turn(self, opens: Callable[[], Played]) -> None:
        async def show() -> None:
            # One after the other: a run that is put on the screens by half is never cut off there.
            async with self._turn:
                await self._show(opens)

        self.run_worker(show(), group="show")

    async def _show(self, opens: Callable[[], Played]) -> None:
        from salecli.tui.bridge import Bridge

        try:
            control = await asyncio.to_thread(opens)
        except SaleError as error:
            if self.current_mode == "opening":
                await self.switch_mode("start")
            self.complain(error)
            return
        if self.control is not None:
            await asyncio.to_thread(self.control.close)
            if self.current_mode in RUN_SCREENS:
                await self.switch_mode("opening")
            # From here on nobody goes to its screens, and nothing is passed on to them.
            self.control = self._bridge = None
            for where in RUN_SCREENS:
                await self.remove_mode(where)
        self._screens.clear()
        self.control, self._bridge, control.woken = control, Bridge(control), self._wake
        for where in RUN_SCREENS:
            self.add_mode(where, partial(self._run_screen, where, control))
        control.start()
        # What is there already is on the screen's first frame.
        begins = self._bridge.drain((), "auction")
        self.headline = self._bridge.heading(self.folder.name)
        await self.switch_mode(begins or "auction")
        self._wake()

    def _wake(self) -> None:
        """Drain again; may be called from any thread."""
        if self._ticking is not None:
            self._from_outside(self._ticking.resume)

    def _tick(self) -> None:
        """Pass on what waits, go along with the run, and rest where nothing is to be expected."""
        bridge, control = self._bridge, self.control
        screens = list(self._screens.values())
        if bridge is None or control is None or any(not screen.is_mounted for screen in screens):
            return  # a screen that is just opening takes its past from the history first
        alone = len(self.screen_stack) == 1
        stands = cast(Where, self.current_mode) if alone else None
        before = (self.going, self._playing())
        where = bridge.drain(cast("list[Taking]", screens), stands)
        if before != (self.going, self._playing()):
            self.screen.refresh_bindings()
        if where is not None and where != self.current_mode:
            self._go(where)
        self.headline = bridge.heading(self.folder.name)
        if bridge.behind:
            self.set_timer(_SOON, self._tick)
        elif control.asleep and self._ticking is not None:
            self._ticking.pause()

    # --- what screens and keys ask for -------------------------------------------------------------------

    def on_go(self, message: messages.Go) -> None:
        self._go(message.where)

    def on_start_run(self, message: messages.StartRun) -> None:
        self.show(partial(self.wiring.starts, message.text, message.name))

    def on_open_run(self, message: messages.OpenRun) -> None:
        self.show(partial(self.wiring.finds, message.run_id))

    def on_run_again(self) -> None:
        task = self.control.board.task if self.control is not None else None
        if task is None:
            self.notify("No task yet: name one first.", severity="warning")
        else:
            self.show(partial(self.wiring.starts, task.text, task.title))

    async def on_leave(self) -> None:
        await self.action_quit()

    def action_go(self, where: Where) -> None:
        self._go(where)

    async def action_leave(self) -> None:
        await self.action_quit()

    async def action_quit(self, cut: bool = False) -> None:
        """Quit; a run that goes on is asked about, once. `cut` (ctrl+c) copies what is selected."""
        if cut and (text := selected_text(self.screen)):
            from salecli.tui.clip import copy_aloud

            copy_aloud(self.screen, text)
            return
        if self.going and self.screen is not self._question:
            self._ask("Stop the run and quit?", self.exit)
        else:
            self.exit()

    def action_speed(self, faster: bool) -> None:
        if (replay := self._playing()) is not None:
            replay.change(faster)

    def action_still(self) -> None:
        if (replay := self._playing()) is not None:
            replay.toggle()

    def _playing(self) -> Replay | None:
        """The recording that plays on the screen that is seen."""
        control = self.control
        if control is None or control.live or control.ended or self.current_mode not in ("auction", "work"):
            return None
        return cast("Replay", control) if len(self.screen_stack) == 1 else None

    def on_key(self, event: events.Key) -> None:
        """Say why a key of a run's screens does nothing; a free Esc takes notices away."""
        active = self.screen.active_bindings.get(event.key)
        if len(self.screen_stack) > 1 or (active is not None and active.enabled):
            return
        if event.key == "escape":
            self.clear_notifications()
        elif self.control is not None and self.current_mode in RUN_SCREENS:
            said = not_now(event.key, self.screen, self._keymap, not self.control.live)
            if said:
                self.notify(said, markup=False)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Keys that work at times only: `q` while no run goes on, a recording's while one is played."""
        if action in ("speed", "still"):
            return self._playing() is not None
        return action != "leave" or not self.going

    # --- beginning and end ------------------------------------------------------------------------------

    def show_until_closed(self) -> None:
        """Run in the terminal, then end the run on the screens; returns when nothing of it is left."""
        try:
            with self.signals.watching(partial(self._from_outside, self.exit)):
                self.run()
        finally:
            self.close()

    def close(self) -> None:
        """End the run on the screens; the app must have ended."""
        if self.control is not None:
            self.control.close()

    def _from_outside(self, then: Callable[[], object]) -> None:
        """Call something in the loop, from a signal's handler or from any thread."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(then)
