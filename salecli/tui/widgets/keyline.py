"""The last row of every screen: the keys that do something now, as many as fit, and always help and quit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.binding import ActiveBinding, Binding
from textual.containers import Container
from textual.screen import Screen
from textual.widgets import Footer
from textual.widgets._footer import FooterKey

_ALWAYS = (("app.leave", "app.quit"), ("app.help",), ("app.keys",))
"""What stays at the right, the most needed first; of several ids the first that works now."""


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that a key does, or several keys of one group."""

    bindings: Sequence[ActiveBinding]
    label: str
    shown: Sequence[str]
    """Each key as the user reads it."""

    @property
    def width(self) -> int:
        return cell_len("".join(self.shown)) + 1 + cell_len(self.label)

    @property
    def enabled(self) -> bool:
        return any(one.enabled for one in self.bindings)


class KeyLine(Footer):
    """What does not fit is left out whole, from the end; `?` shows every key."""

    DEFAULT_CSS = """
    KeyLine { overflow: hidden; padding: 0 1; }
    KeyLine FooterKey { margin: 0 1 0 0; }
    KeyLine FooterKey.-several, KeyLine FooterKey.-last { margin: 0; }
    KeyLine.-airy FooterKey { margin: 0 2 0 0; }
    KeyLine.-airy FooterKey.-several, KeyLine.-airy FooterKey.-last { margin: 0; }
    KeyLine #gap { width: 1fr; height: 1; }
    """

    def __init__(self) -> None:
        super().__init__(show_command_palette=False, compact=True)
        self._told: tuple[list[Item], list[Item], int] | None = None
        self._due = False

    def compose(self) -> ComposeResult:
        if not self._bindings_ready:
            return
        left, right, gap = self._told = self._fitting()
        self.set_class(gap > 1, "-airy")
        for item in left:
            yield from self._drawn(item)
        yield Container(id="gap")
        for item in right:
            yield from self._drawn(item, last=item is right[-1])

    def bindings_changed(self, screen: Screen[object]) -> None:
        """Other keys may work: told often while a screen opens, and drawn once, where that is so."""
        self._bindings_ready = True
        if screen.app.app_focus and self.is_attached and screen is self.screen:
            self._renew_soon()

    def on_resize(self) -> None:
        """Another width, other keys."""
        if self._bindings_ready:
            self._renew_soon()

    def _renew_soon(self) -> None:
        if not self._due:
            self._due = True
            self.call_after_refresh(self._renew)

    async def _renew(self) -> None:
        self._due = False
        if self.is_attached and self._fitting() != self._told:
            await self.recompose()

    def _fitting(self) -> tuple[list[Item], list[Item], int]:
        """The items at the left and at the right, and the columns between two of them."""
        active = list(self.screen.active_bindings.values())
        by_id = {one.binding.id: one for one in reversed(active) if one.enabled}
        pinned = [next((by_id[name] for name in names if name in by_id), None) for names in _ALWAYS]
        always = [self._item([one]) for one in pinned if one is not None]
        given = {one.binding.id for one in pinned if one is not None}
        others = self._items([one for one in active if one.binding.show and one.binding.id not in given])
        width = self.outer_size.width or self.app.size.width
        room = width - 3  # an edge at either side, and between left and right
        for gap in (2, 1):
            if sum(item.width + gap for item in (*others, *always)) - gap <= room:
                return others, always[::-1], gap
        right = _first(always, room)
        room -= sum(item.width + 1 for item in right)
        # What cannot be done now makes room first.
        useful = _first([item for item in others if item.enabled], room)
        return useful, right[::-1], 1

    def _items(self, active: Sequence[ActiveBinding]) -> list[Item]:
        """One a thing that is done; keys of one group are one."""
        found: dict[object, list[ActiveBinding]] = {}
        for one in active:
            found.setdefault(one.binding.group or (one.node, one.binding.action), []).append(one)
        return [self._item(some) for some in found.values()]

    def _item(self, some: Sequence[ActiveBinding]) -> Item:
        group = some[0].binding.group
        grouped = group is not None and len(some) > 1
        bindings = some if grouped else some[:1]
        label = group.description if group is not None and grouped else some[0].binding.description
        return Item(bindings, label, [self.app.get_key_display(one.binding) for one in bindings])

    def _drawn(self, item: Item, last: bool = False) -> ComposeResult:
        for one, shown in zip(item.bindings, item.shown, strict=True):
            final = one is item.bindings[-1]
            binding: Binding = one.binding
            yield FooterKey(
                binding.key,
                shown,
                item.label if final else "",
                binding.action,
                disabled=not one.enabled,
                tooltip=binding.tooltip or binding.description,
                classes=" ".join(["-last"] * last + ["-several"] * (not final)),
            )


def _first(items: Sequence[Item], room: int) -> list[Item]:
    """The first ones that fit, with a column between them."""
    found = []
    for item in items:
        room -= item.width
        if room < 0:
            break
        found.append(item)
        room -= 1
    return found
