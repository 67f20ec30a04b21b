"""The command palette: everything that can be done at the moment, by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import cast

from textual.binding import Binding
from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.content import Content
from textual.dom import DOMNode
from textual.fuzzy import Matcher

from salecli.core.text import clean

_NOT_COMMANDS = {"command_palette"}
"""Actions whose place is a key, not the palette that they open."""

_ENDS = {"quit", "leave"}
MOST_OFFERED = 12
"""Commands of a screen that are shown before anything is typed; a search finds all of them."""


@dataclass(frozen=True, slots=True)
class Command:
    """One thing that can be done."""

    name: str
    help: str
    run: Callable[[], object]


class SaleCommands(Provider):
    """Actions with their keys, what the screen offers beside, themes, the run's id."""

    async def discover(self) -> Hits:
        for command in self.commands(MOST_OFFERED):
            yield DiscoveryHit(Content(command.name), command.run, command.name, _plain(command.help))

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for command in self.commands():
            score = matcher.match(command.name)
            if score > 0:
                shown = _highlighted(matcher, command.name)
                yield Hit(score, shown, command.run, command.name, _plain(command.help))

    def commands(self, most: int | None = None) -> Iterator[Command]:
        """Everything, the nearest first, at most `most` of the screen; foreign words are made safe here."""
        offered = islice(self._of_the_screen(), most)
        for command in (*self._actions(), *self._of_the_run(), *offered, *self._themes()):
            yield Command(clean(command.name, False), clean(command.help, False), command.run)

    def _actions(self) -> Iterator[Command]:
        """What keys do: the action of every binding that is active on the screen below, with all its keys."""
        found: dict[tuple[DOMNode, str, str], list[Binding]] = {}
        for active in self.screen.active_bindings.values():
            binding = active.binding
            if binding.id and binding.description and active.enabled and _named(binding) not in _NOT_COMMANDS:
                kind = (active.node, binding.description, "" if _named(binding) in _ENDS else binding.tooltip)
                found.setdefault(kind, []).append(binding)
        # The screen's own come first, and what ends the app last: Enter takes the first.
        order = {key: (key[0] is self.app, _named(one[0]) in _ENDS) for key, one in found.items()}
        for node, name, told in sorted(found, key=order.__getitem__):
            first, *others = found[node, name, told]
            keys = " ".join(self.app.get_key_display(one) for one in (first, *others))
            leads = f"Go to {name.lower()}" if first.action.startswith("go('") else name
            yield Command(
                f"{leads} ({keys})", first.tooltip, partial(self.app.run_action, first.action, node)
            )

    def _of_the_screen(self) -> Iterator[Command]:
        """What the screen offers beside its keys: `commands()`, where it has that."""
        offered: Callable[[], Iterable[tuple[str, str, Callable[[], object]]]] | None = getattr(
            self.screen, "commands", None
        )
        for name, help_, run in offered() if offered is not None else ():
            yield Command(name, help_, run)

    def _of_the_run(self) -> Iterator[Command]:
        run_id = getattr(getattr(self.screen, "control", None), "id", "")
        if run_id:
            yield Command(
                f"Copy the run's id ({run_id})", "sale show and sale replay take it", self._copy(run_id)
            )

    def _copy(self, text: str) -> Callable[[], object]:
        from salecli.tui.clip import copy_aloud

        return partial(copy_aloud, self.screen, text)

    def _themes(self) -> Iterator[Command]:
        for name in sorted(self.app.available_themes):
            yield Command(f"Theme {name}", "Change the colours until sale ends", partial(self._theme, name))

    def _theme(self, name: str) -> None:
        self.app.theme = name


def _named(binding: Binding) -> str:
    """The name of a binding's action, without its arguments."""
    return binding.action.partition("(")[0].removeprefix("app.")


def _plain(text: str) -> str:
    """A text that the palette shows as it is: it reads markup in a str, and no escaping covers all of it."""
    return cast(str, Content(text))


def _highlighted(matcher: Matcher, name: str) -> Content:
    """A name with the letters that were typed made visible; Matcher.highlight would read markup in it."""
    content = Content(name)
    _, offsets = matcher.fuzzy_search.match(matcher.query, name)
    for offset in offsets:
        if not name[offset].isspace():
            content = content.stylize(matcher.match_style, offset, offset + 1)
    return content
