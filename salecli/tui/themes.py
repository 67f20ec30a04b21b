"""The looks: a dark and a light theme of our own, and one in the terminal's own colours."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace

from textual.theme import BUILTIN_THEMES, Theme

DARK = Theme(
    name="sale-dark",
    primary="#6cb6ff",
    secondary="#b7a1f5",
    accent="#f0b72f",
    foreground="#e6e9ef",
    background="#12151c",
    surface="#181c25",
    panel="#232936",
    success="#6bd38a",
    warning="#f0b72f",
    error="#ff8a80",
    dark=True,
    variables={"footer-key-foreground": "#f0b72f", "border": "#6cb6ff", "border-blurred": "#4a5468"},
)
LIGHT = Theme(
    name="sale-light",
    primary="#0b57b0",
    secondary="#5b3fb5",
    accent="#8a4b00",
    foreground="#16191f",
    background="#fbfbfd",
    surface="#f3f4f7",
    panel="#e2e6ee",
    success="#0f6b34",
    warning="#8a4b00",
    error="#b3261e",
    dark=False,
    variables={"footer-key-foreground": "#8a4b00", "border": "#0b57b0", "border-blurred": "#9aa3b2"},
)
_TERMINAL = BUILTIN_THEMES["ansi-dark"]
ANSI = replace(
    _TERMINAL,
    name="ansi",
    primary="ansi_bright_blue",
    variables={**_TERMINAL.variables, "border-blurred": "ansi_bright_black"},
)
"""The terminal's own colours, whatever they are: the only one that writes no RGB codes."""
OWN = (DARK, LIGHT, ANSI)
"""What ctrl+t goes through."""
NAMES = (*(theme.name for theme in OWN), *BUILTIN_THEMES)
"""Every name that `theme` may have in the configuration."""
_FEW_COLOURS = ("linux", "vt100", "vt220", "ansi", "xterm-mono")


def colourless(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether the user wants no colours, or the terminal has too few for a theme in RGB."""
    return bool(environment.get("NO_COLOR")) or environment.get("TERM", "") in _FEW_COLOURS
