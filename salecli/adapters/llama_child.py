"""The parent's end of a model's process: starting it, talking to it, and telling how it ended.

A subprocess and not `multiprocessing`: spawning would import the caller's main module again, and a
subprocess with pipes behaves alike under a console script, `python -m` and pytest.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
import weakref
from pathlib import Path
from typing import IO

from salecli.adapters.wire import Broken, Message, Reader, Stuck, Writer
from salecli.errors import ModelError

GRACE = 0.4
"""Seconds that a cancelled job has to end by itself; then the process is ended."""
PATIENCE = 10.0
"""Seconds that a process may leave a request unread."""

REPLY = 16 << 20
"""Bytes of the largest reply; real ones take kilobytes."""

_HINTS: dict[int, str] = {
    signal.SIGKILL: "most likely memory ran out: close other programs, or choose a smaller model or context",
    signal.SIGILL: "this build of llama-cpp-python does not suit the processor: reinstall it",
    signal.SIGABRT: "the file may be damaged, or this build of llama-cpp-python cannot run it",
    signal.SIGSEGV: "the file may be damaged, or this build of llama-cpp-python cannot run it",
    signal.SIGBUS: "the file changed or shrank while it was in use: download it again",
}


class Child:
    """One model's process."""

    def __init__(self, label: str) -> None:
        """Start the process; `label` names the model in messages."""
        self.label = label
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process
        self._process = subprocess.Popen(
            # -P: the working directory is no place to import from. The label is for those who read `ps`.
            [sys.executable, "-P", "-m", "salecli.adapters.llama_worker", label],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=environment(),
            cwd=os.sep,
            bufsize=0,
            # Ctrl-C goes to a terminal's process group: this one decides for itself.
            start_new_session=True,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._writer = Writer(self._process.stdin.fileno())
        self._reader = Reader(self._process.stdout.fileno(), REPLY)
        self._job = 0
        self._closed = False
        # At the interpreter's exit, or when nobody holds this object any more.
        weakref.finalize(self, _dispose, self._process, self._errors)

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    def begin(self, request: Message) -> int:
        """Send a job; returns its number."""
        self._job += 1
        self._send({"job": self._job, **request})
        return self._job

    def receive(self, job: int, timeout: float | None = None) -> Message | None:
        """The job's next reply, or None when `timeout` seconds passed.

        Raises:
            ModelError: the process ended.
        """
        until = None if timeout is None else time.monotonic() + timeout
        try:
            while (message := self._reader.receive(timeout)) is not None:
                if message.get("job") == job:
                    return message
                # Replies to an earlier job, however many come, are no reason to wait longer.
                if until is not None and (timeout := until - time.monotonic()) <= 0:
                    return None
        except Broken as error:
            raise self._death(error) from None
        return None

    def cancel(self, job: int) -> Message | None:
        """End a job within half a second: its last reply, None where the process had to be ended for that."""
        try:
            self._send({"do": "cancel", "job": job}, GRACE)
            until = time.monotonic() + GRACE
            while (left := until - time.monotonic()) > 0:
                message = self.receive(job, left)
                if message is not None and message["kind"] in ("end", "refused"):
                    return message
        except ModelError:
            pass
        except BaseException:  # a second Ctrl-C: no more waiting
            self.end()
            raise
        self.end()
        return None

    def end(self) -> None:
        """End the process and wait until its memory is free. It has nothing to save: no need to ask."""
        self._closed = True
        # The pipes stay open until nobody holds this object: another thread may be reading, and a
        # descriptor that is closed under it could come back as somebody else's file.
        _kill(self._process)

    @property
    def gone(self) -> bool:
        """Whether the process has ended."""
        return self._closed or self._process.poll() is not None

    def _send(self, message: Message, patience: float = PATIENCE) -> None:
        try:
            self._writer.send(message, patience)
        except Broken as error:
            raise self._death(error) from None
        except Stuck as error:
            self.end()
            raise ModelError(f"{self.label}: its process does not answer ({error})", "try again") from None
        except BaseException:
            self.end()  # half a frame may be on its way
            raise

    def _death(self, cause: Broken) -> ModelError:
        """Why the process ended, as an error to raise."""
        if self._closed:
            return ModelError(f"{self.label} was closed while it was working")
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(2)
        code = self._process.poll()
        said = self._last_words()
        self.end()
        if code is None:
            return ModelError(f"{self.label}: its process broke the connection ({cause})", "try again")
        if code < 0:
            try:
                name = signal.Signals(-code).name
            except ValueError:
                name = f"signal {-code}"
            hint = _HINTS.get(-code, "try again")
            return ModelError(
                f"{self.label}: its process was ended by {name}" + (f": {said}" if said else ""), hint
            )
        return ModelError(
            f"{self.label}: its process ended with exit code {code}" + (f": {said}" if said else ""),
            "try again",
        )

    def _last_words(self) -> str:
        """The last line that the process printed, or the assertion that ended it."""
        self._errors.seek(0, os.SEEK_END)
        self._errors.seek(max(0, self._errors.tell() - 4096))
        lines = [line.strip() for line in self._errors.read().decode("utf-8", "replace").splitlines()]
        asserted = [line for line in lines if "GGML_ASSERT" in line or "GGML_ABORT" in line]
        return (asserted or [line for line in lines if line] or [""])[-1][:300]


def environment() -> dict[str, str]:
    """This process's, with the same import path, for a process that computes with llama.cpp."""
    paths = [path for path in sys.path if Path(path).is_absolute()]
    return {
        # OpenMP's threads wait for each other by spinning, 300,000 rounds by default. Measured with two
        # threads on two cores that had other work: a token took 15 to 190 times as long as without
        # spinning. With no other work a short spin saves the cost of sleeping and waking.
        "GOMP_SPINCOUNT": "500",
        **os.environ,
        "PYTHONPATH": os.pathsep.join(paths),
        "GGML_NO_BACKTRACE": "1",
        # numpy's threads would spin against llama.cpp's.
        "OPENBLAS_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
    }


def _kill(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(OSError):
        process.kill()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(30)  # freeing many gigabytes takes seconds


def _dispose(process: subprocess.Popen[bytes], errors: IO[bytes]) -> None:
    _kill(process)
    for stream in (process.stdin, process.stdout, errors):
        if stream is not None:
            stream.close()
