"""How the user wants the screens: theme, keys and countdown of the user's own configuration file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from salecli import toml
from salecli.errors import ConfigError
from salecli.resources import user_file


@dataclass(frozen=True, slots=True)
class Look:
    """[tui] and [keys]."""

    theme: str = "sale-dark"
    auto: float = 0.0
    """Seconds after which a waiting auction goes on by itself; 0 waits for the user."""
    keys: Mapping[str, str] = field(default_factory=dict)
    """Keys by binding id, where the user moved them."""


def load_look() -> Look:
    """What the user's file says.

    It is read by itself, before the first frame: the other settings can wait, and cost tenths of a second.

    Raises:
        ConfigError: a broken file, an unknown theme, key or binding, or a clash, with file and line.
    """
    path = user_file()
    if not path.is_file():
        return Look()
    document = toml.read(path)
    values: dict[str, object] = {
        name: document.values[name] for name in ("tui", "keys") if name in document.values
    }
    if not values:
        return Look()
    from salecli.checked import check
    from salecli.config import Settings
    from salecli.tui.keys import check_keys
    from salecli.tui.themes import NAMES

    settings = check(Settings, values, document.where)
    theme = settings.tui.theme
    if theme not in NAMES:
        near = toml.nearest(theme, NAMES)
        meant = f"; did you mean {near!r}?" if near else ""
        raise ConfigError(
            f"{document.where(('tui', 'theme'))}: unknown theme {theme!r}{meant}",
            f"known: {', '.join(NAMES)}",
        )
    keys, lines = {}, {}
    for name, value in settings.keys.items():
        # `auction.go = "g"` is a table in a table for TOML, and the same for people.
        inner = value.items() if isinstance(value, dict) else [("", value)]
        for rest, key in inner:
            full = f"{name}.{rest}" if rest else name
            keys[full] = key
            lines[full] = document.where(("keys", name, rest) if rest else ("keys", name))
    check_keys(keys, lines)
    return Look(theme, settings.tui.auto, keys)
