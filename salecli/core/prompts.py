"""Fills prompt templates: one Jinja2 Markdown file per prompt, cut into turns.

A line `--- user` (or system, assistant) begins a turn. The cut is made by the template's own lines
alone: text that fills a variable can never begin a turn. A last turn of `assistant` is left open for
the model; a prompt without one gets an empty one.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Mapping

import jinja2

from salecli.core.calls import Role, Turn
from salecli.errors import ConfigError

ROLES: Mapping[str, Role] = {"system": "system", "user": "user", "assistant": "assistant"}
NAMES = ("bid", "refine", "judge", "work", "observe")


class Templates:
    """The prompts of one profile, given as template sources by name."""

    def __init__(self, sources: Mapping[str, str]) -> None:
        # A border that no task text can hold, so that loops in a template may open turns.
        self._border = f"\x1d{secrets.token_hex(8)} "
        self._sources = dict(sources)
        environment = jinja2.Environment(
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            autoescape=False,
        )
        environment.filters["listing"] = listing
        self._templates = {}
        for name, source in sources.items():
            try:
                self._templates[name] = environment.from_string(self._mark(source))
            except jinja2.TemplateSyntaxError as error:
                raise ConfigError(
                    f"prompt {name!r}, line {error.lineno}: {error.message}", "mend the template"
                ) from error

    def _mark(self, source: str) -> str:
        lines = source.splitlines(keepends=True)
        return "".join(
            self._border + line[4:] if line.startswith("--- ") and line[4:].strip() in ROLES else line
            for line in lines
        )

    @property
    def hash(self) -> str:
        """Short content hash: records of different prompts are not compared."""
        digest = hashlib.sha256()
        for name in sorted(self._sources):
            digest.update(f"{name}\0{self._sources[name]}\0".encode())
        return digest.hexdigest()[:16]

    def render(self, name: str, **values: object) -> tuple[Turn, ...]:
        """The turns of prompt `name`.

        Raises:
            ConfigError: no such prompt, a variable without a value, or text before the first turn.
        """
        if name not in self._templates:
            raise ConfigError(f"no prompt {name!r} among {', '.join(sorted(self._templates))}")
        try:
            text = self._templates[name].render(values)
        except jinja2.UndefinedError as error:
            raise ConfigError(f"prompt {name!r}: {error.message}", "name the variable it wants") from error
        head, *parts = text.split(self._border)
        if head.strip():
            raise ConfigError(f"prompt {name!r} has text before its first turn", "begin with `--- user`")
        turns = []
        for part in parts:
            role, _, body = part.partition("\n")
            turns.append(Turn(ROLES[role.strip()], body.strip("\n")))
        if not turns or turns[-1].role != "assistant":
            turns.append(Turn("assistant", ""))
        return tuple(turns)


def listing(paths: Iterable[str], budget: int) -> str:
    """As many paths, space-separated, as fit into `budget` characters; says how many were left out."""
    shown: list[str] = []
    used = 0
    paths = list(paths)
    for path in paths:
        used += len(path) + 1
        if used > budget:
            break
        shown.append(path)
    left = len(paths) - len(shown)
    return " ".join(shown) + (f" (and {left} more)" if left else "")
