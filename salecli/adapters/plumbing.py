"""Runs git with an environment that cannot run anything else: no hooks, no file monitor, no prompts."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from salecli.errors import RepositoryError

_SAFE = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.untrackedCache=false",
    "core.protectHFS=true",
    "core.protectNTFS=true",
    "core.quotePath=true",
    "gc.auto=0",
)


_PERSONAL = (
    "GIT_AUTHOR_",
    "GIT_COMMITTER_",
    "GIT_CONFIG_GLOBAL",
    "GIT_CONFIG_SYSTEM",
    "GIT_CONFIG_NOSYSTEM",
    "GIT_CONFIG_COUNT",
    "GIT_CONFIG_KEY_",
    "GIT_CONFIG_VALUE_",
)


class Git:
    """One git directory, with or without a work tree."""

    def __init__(self, folder: Path | None, work_tree: Path | None = None, *, trusted: bool = False) -> None:
        """`trusted` is for the user's own repository: only there the user's git configuration counts.

        Without a `folder` git looks for it from `work_tree` upwards, and refuses one that it does not trust.
        """
        self.folder = folder
        self.work_tree = work_tree
        self._trusted = trusted

    def run(
        self,
        *arguments: str,
        feed: bytes = b"",
        extra: Mapping[str, str] | None = None,
        expect: Sequence[int] = (0,),
    ) -> bytes:
        """Standard output of one git command.

        Raises:
            RepositoryError: any exit code outside of `expect`; the message carries git's own first lines.
        """
        done = subprocess.run(
            self._command(arguments),
            input=feed,
            capture_output=True,
            env={**self._environment(), **(extra or {})},
            cwd=self.work_tree or self.folder,
            check=False,
        )
        if done.returncode not in expect:
            said = done.stderr.decode("utf-8", "replace").strip()[:800] or f"exit code {done.returncode}"
            raise RepositoryError(f"git {arguments[0]}: {said}")
        return done.stdout

    def text(self, *arguments: str, extra: Mapping[str, str] | None = None) -> str:
        """Standard output as one stripped line of text."""
        return os.fsdecode(self.run(*arguments, extra=extra)).strip("\n")

    @contextmanager
    def stream(self, *arguments: str, stdin: int) -> Iterator[subprocess.Popen[bytes]]:
        """A running git command whose output is read piece by piece; ended when the block is left."""
        process = subprocess.Popen(
            self._command(arguments),
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=self._environment(),
            cwd=self.work_tree or self.folder,
        )
        try:
            yield process
        finally:
            if process.stdout:
                process.stdout.close()
            process.kill()
            process.wait()

    def _command(self, arguments: Sequence[str]) -> list[str]:
        return ["git", *(part for setting in _SAFE for part in ("-c", setting)), *arguments]

    def _environment(self) -> dict[str, str]:
        # GIT_* of the caller (we may run inside of a hook) would lead git elsewhere; who the user is, and
        # where the user's configuration lies, counts in the user's own repository.
        outside = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("GIT_") or (self._trusted and name.startswith(_PERSONAL))
        }
        ours = {
            "GIT_OPTIONAL_LOCKS": "0",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_NO_LAZY_FETCH": "1",
            "LC_ALL": "C",
        }
        if self.folder:
            ours["GIT_DIR"] = str(self.folder)
            if self.work_tree:
                ours["GIT_WORK_TREE"] = str(self.work_tree)
        if not self._trusted:
            ours |= {
                "GIT_CONFIG_GLOBAL": os.devnull,
                "GIT_CONFIG_SYSTEM": os.devnull,
                "GIT_ATTR_NOSYSTEM": "1",
            }
        return {**outside, **ours}


def split(raw: bytes) -> list[str]:
    """The parts of NUL-separated output, names kept byte for byte by surrogateescape."""
    return [part.decode("utf-8", "surrogateescape") for part in raw.split(b"\0") if part]


def encode(name: str) -> bytes:
    """The bytes of a name that `split` gave."""
    return name.encode("utf-8", "surrogateescape")
