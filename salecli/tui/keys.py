"""Every key of the screens by its id, and the user's own keys in their place."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from textual.binding import Binding
from textual.dom import DOMNode
from textual.keys import _character_to_key
from textual.screen import ModalScreen, Screen

from salecli import toml
from salecli.errors import ConfigError
from salecli.tui.messages import Where

EVERYWHERE = (
    Binding("f1", "help", "Help", id="app.help", tooltip="What this part of the screen is for"),
    Binding("question_mark", "keys", "Keys", id="app.keys", tooltip="Every key that works here"),
    Binding("ctrl+p", "command_palette", "Palette", id="app.palette", tooltip="All by name", show=False),
    Binding("f2", "go('start')", "Start", id="app.start", tooltip="Name a task", show=False),
    Binding("f3", "go('auction')", "Auction", id="app.auction", tooltip="The auction", show=False),
    Binding("f4", "go('work')", "Work", id="app.work", tooltip="The winner's work", show=False),
    Binding("f5", "go('review')", "Review", id="app.review", tooltip="The patch", show=False),
    Binding("f6", "go('memory')", "Memory", id="app.memory", tooltip="Past auctions", show=False),
    Binding("f7", "go('models')", "Models", id="app.models", tooltip="The pool's models", show=False),
    Binding("f8", "picture", "Screenshot", id="app.picture", tooltip="Save as SVG", show=False),
    Binding("ctrl+t", "theme", "Theme", id="app.theme", tooltip="Dark, light, terminal", show=False),
    Binding("space", "still", "Pause", id="app.still", tooltip="Stop or go on playing", priority=True),
    Binding("plus,equals_sign", "speed(True)", "Faster", id="app.faster", tooltip="Play faster"),
    Binding("minus", "speed(False)", "Slower", id="app.slower", tooltip="Play slower"),
    Binding("q", "leave", "Quit", id="app.leave", tooltip="Quit, where no run goes on"),
    Binding("ctrl+q", "quit", "Quit", id="app.quit", tooltip="Quit", show=False, priority=True),
    Binding("ctrl+c", "quit(True)", "Quit", id="app.cut", tooltip="Copy, or quit", show=False, priority=True),
)
"""The app's own keys, which work on every screen.

One rule for quitting: ctrl+q quits everywhere, and a run that goes on is asked about; so does ctrl+c where no
text is selected; `q` quits where nothing is typed and no run goes on. Every footer names the shortest one.
"""


@dataclass(frozen=True, slots=True)
class Named:
    """A binding that has an id, and whether it belongs to a dialog, which only keys with priority pass."""

    id: str
    binding: Binding
    modal: bool = False

    def meets(self, other: Named) -> bool:
        """Whether both work on one screen: the app's own keys work on all."""
        groups = {self.id.partition(".")[0], other.id.partition(".")[0]}
        through = (self.binding.priority or not other.modal) and (other.binding.priority or not self.modal)
        return self.id != other.id and (len(groups) == 1 or ("app" in groups and through))


def named() -> list[Named]:
    """Every binding with an id of our own app, screens and widgets, in the order of their modules."""
    return [one for kind in _kinds() for one in _own(kind)]


def _kinds() -> Iterator[type[DOMNode]]:
    """The classes of this package that may have bindings. Imports all of it."""
    import importlib
    import inspect
    import pkgutil

    import salecli.tui as package

    for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        module = importlib.import_module(found.name)
        for _, kind in inspect.getmembers(module, inspect.isclass):
            if issubclass(kind, DOMNode) and kind.__module__ == module.__name__:
                yield kind


def _own(kind: type) -> Iterator[Named]:
    for one in kind.__dict__.get("BINDINGS", ()):  # its own, not those of the classes above it
        if isinstance(one, Binding) and one.id:
            yield Named(one.id, one, issubclass(kind, ModalScreen))


def check_keys(chosen: Mapping[str, str], where: Mapping[str, str]) -> None:
    """Refuse what no binding has, and two actions of one screen on one key; `where` is the line of each id.

    Raises:
        ConfigError: with file and line, and the nearest known id.
    """
    if not chosen:
        return
    known = named()
    names = list(dict.fromkeys(one.id for one in known))
    for name, keys in chosen.items():
        if name not in names:
            near = toml.nearest(name, names)
            meant = f"; did you mean {near!r}?" if near else ""
            raise ConfigError(
                f"{where[name]}: there is no key binding {name!r}{meant}", f"known: {', '.join(names)}"
            )
        if not all(_keys(keys)):
            raise ConfigError(f"{where[name]}: {name} names no key", 'write for example "g" or "ctrl+o,f9"')
    for one in known:
        for other in known if one.id in chosen else ():
            shared = _keys_of(one, chosen) & _keys_of(other, chosen) if one.meets(other) else ()
            for key in shared:
                raise ConfigError(
                    f"{where[one.id]}: {key!r}, for {one.id}, is the key of {other.id}",
                    f"give {other.id} another one in [keys], or choose another for {one.id}",
                )


def _keys_of(one: Named, chosen: Mapping[str, str]) -> set[str]:
    return set(_keys(chosen.get(one.id, one.binding.key)))


def _keys(text: str) -> list[str]:
    """The keys of "a,ctrl+o" in Textual's names; an empty one where none is named."""
    found = [key.strip() for key in text.split(",")]
    return [_character_to_key(key) if len(key) == 1 else key for key in found]


_OF_A_RUN: dict[Where, str] = {"auction": "auction (F3)", "work": "work (F4)", "review": "review (F5)"}
"""The screens of a run, and how one gets there."""


def not_now(key: str, screen: Screen[Any], chosen: Mapping[str, str], recorded: bool) -> str:
    """Why a key does nothing on a run's screen; empty where it is a key of none of them."""
    from salecli.tui.rooms import kind

    if key == "escape":  # it takes back what stands there, and that may be nothing
        return ""
    binding = _binding(type(screen), key, chosen)
    if binding is not None:
        tell: Callable[[str], str] = getattr(screen, "why_not", lambda action: "")
        now = "this is a recording. Its patch can still be applied: F5." if recorded else "not now."
        return tell(binding.action.partition("(")[0]) or f"{binding.description}: {now}"
    others = ((_binding(kind(where), key, chosen), place) for where, place in _OF_A_RUN.items())
    if found := [f"{one.description} is a key of the {place}" for one, place in others if one is not None]:
        return "; ".join(found) + "."
    leaves = any(
        one.action == "leave" and key in _keys_of(Named(one.id or "", one), chosen) for one in EVERYWHERE
    )
    return "A run goes on: ctrl+q ends it, after a question." if leaves else ""


def _binding(kind: type[DOMNode], key: str, chosen: Mapping[str, str]) -> Binding | None:
    """What a key means to a class, with the user's own keys."""
    every = (one for above in kind.__mro__ for one in _own(above))
    return next((one.binding for one in every if key in _keys_of(one, chosen)), None)
