"""A GGUF file as a model: the parent's side. The model itself lives in a process of its own.

Threads: one job at a time per model; further calls wait. Errors name the file and say what to do.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict
from pathlib import Path

from salecli.adapters import gguf_header, machine
from salecli.adapters.footprint import Footprint, Kv, footprint
from salecli.adapters.llama_call import Call, choice_of
from salecli.adapters.llama_child import Child
from salecli.adapters.llama_refusal import refusal
from salecli.adapters.machine import cores
from salecli.adapters.modelfile import ModelFile
from salecli.adapters.residency import Residency
from salecli.adapters.wire import Message
from salecli.core.calls import Choice, Limits, Loaded, Token, Turn, Usage
from salecli.errors import ModelError, ModelTimeout

CONTEXT = 8192
"""Tokens of context where nobody asked for more or less, as far as the model was trained for it."""
LOADING = 60.0
"""Seconds for which a model may load, beside those that its bytes take at SLOWEST."""
SLOWEST = 16 << 20
"""Bytes a second that any disk in order gives."""
SMALL = 16 << 20
"""Bytes of a file below which one thread is enough: two spend their time on meeting each other."""


class LlamaModel:
    """One GGUF file. Fits `salecli.core.ports.Model`; loaded at its first use, or by `load`."""

    def __init__(
        self,
        file: str | os.PathLike[str],
        *,
        name: str = "",
        context: int | None = None,
        threads: int | None = None,
        threads_prefill: int | None = None,
        kv: Kv = "f16",
        gpu_layers: int | None = None,
        sequences: int | None = None,
        residency: Residency | None = None,
    ) -> None:
        """Nothing is read or started yet.

        Args:
            name: what messages call the model; the file's name by default.
            context: tokens; by default 8,192, or what the model was trained for where that is less.
            threads: by default one per physical core that this process may use.
            threads_prefill: those for a prompt; by default the same.
            kv: the type of the KV cache's numbers.
            gpu_layers: layers to put on a GPU; by default all where the installed llama.cpp can, else 0.
            sequences: endings that `choose` evaluates in one batch; by default 8 on a GPU, else 1.
            residency: the memory budget that it shares with other models; by default one of its own.
        """
        self.file = Path(file).absolute()
        self.name = name or self.file.name
        self._context = context
        self._threads = threads
        self._threads_prefill = threads_prefill
        self._kv: Kv = kv
        self._sequences = sequences
        self._gpu_layers = gpu_layers
        self._residency = residency or Residency()
        self._child: Child | None = None
        self._seen = ModelFile(self.file)
        self._turn = threading.Lock()
        self._holder: int | None = None
        self._calls: list[Call] = []
        self._ready = False
        self._ahead: Loaded | None = None

    def __repr__(self) -> str:
        return f"LlamaModel({str(self.file)!r})"

    @property
    def path(self) -> Path:
        """The model file."""
        return self.file

    @property
    def vocabulary(self) -> int:
        """Size of the vocabulary that entropies are over."""
        return self.header.vocabulary

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return self.header.bytes

    @property
    def header(self) -> gguf_header.Header:
        """What the file said of itself at the first look; ModelError where it is no whole text model."""
        return self._seen.header

    @property
    def context(self) -> int:
        """Tokens of context; ModelError where more are asked for than the model was trained for."""
        trained = self.header.context
        if self._context is None:
            return min(CONTEXT, trained)
        if not 1 <= self._context <= trained:
            raise ModelError(
                f"{self._label} was trained for a context of {trained} tokens, not of {self._context}",
                f"set context = {trained} or less",
            )
        return self._context

    @property
    def footprint(self) -> Footprint:
        """Estimate of what the model takes when loaded, by what for."""
        layers = self.header.blocks + 1 if self._gpu_layers is None else self._gpu_layers
        devices = machine.devices() if layers else ()
        layers = layers if devices else 0
        return footprint(
            self.header, self.context, self._kv, layers, sequences=self._sequences, devices=devices
        )

    @property
    def bytes(self) -> int:
        """Estimate of the memory that the model takes when loaded, what lies on a GPU not counted."""
        return self.footprint.memory

    @property
    def same(self) -> bool:
        """Whether the file is the one that was first looked at."""
        return self._seen.same

    @property
    def threads(self) -> tuple[int, int]:
        """Threads for single tokens, and for a prompt."""
        single = self._threads or threads_for(self.header)
        return single, self._threads_prefill or single

    @property
    def loaded(self) -> bool:
        """Whether the model is resident now."""
        return self._ready and self._child is not None and not self._child.gone

    @property
    def pid(self) -> int | None:
        """Id of the model's process, None while it is not loaded."""
        child = self._child
        return None if child is None else child.pid

    @property
    def _label(self) -> str:
        return self.name if self.name == self.file.name else f"{self.name} ({self.file.name})"

    def load(self) -> Loaded | None:
        """Make the model resident; None where it already was, and that was said."""
        with self._job() as (_, _, loaded):
            ahead, self._ahead = self._ahead, None
            return loaded or ahead

    def preload(self) -> None:
        """Begin to load beside what is resident, where memory has room for both; returns at once.

        What fails is said by the `load` that follows, which returns what was loaded here.
        """
        if not self._calls and not self.loaded:
            threading.Thread(target=self._preload, name=f"preload-{self.name}", daemon=True).start()

    def _preload(self) -> None:
        with suppress(ModelError, OSError), self._job(beside=True) as (_, _, loaded):
            self._ahead = loaded or self._ahead
        if self._residency.closed:  # while its process was starting
            self.unload()

    def cancel(self) -> None:
        """End the calls that other threads are in, also those that wait for their turn: ModelError there.

        Returns at once; a call that has begun its work ends within half a second, and the model stays usable.
        Calls that begin later are not touched.
        """
        for call in tuple(self._calls):
            call.cancelled = True

    def unload(self) -> None:
        """End the model's process, which frees its memory; a job that runs fails. It loads again at need."""
        self._ready = False
        child, self._child = self._child, None
        if child is not None:
            child.end()

    def close(self) -> None:
        """Unload, and give up the place in the memory budget."""
        self.unload()
        self._residency.leave(self)

    def __enter__(self) -> LlamaModel:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def stream(self, turns: Sequence[Turn], limits: Limits) -> Generator[Token, None, Usage]:
        """Continue a chat token by token; closing the generator ends the model's work within half a second.

        Thoughts are not yielded, but the usage's `generated` counts them.

        Raises:
            ContextFull: the prompt does not fit; ModelTimeout: `limits.deadline` seconds passed;
            ModelError: the file is unusable, or the process ended.
        """
        with self._job(limits.deadline) as (child, call, _):
            # Only the time of the call itself is the parent's to watch; the rest goes to the process.
            wishes = asdict(limits)
            del wishes["deadline"]
            job = child.begin({"do": "stream", "turns": _plain(turns), "limits": wishes})
            with closing(self._replies(child, job, call)) as replies:
                for message in replies:
                    for token in message["tokens"]:
                        yield Token(*token)
                    if message["kind"] == "end":
                        return call.usage
            raise AssertionError("unreachable: a job ends with `end` or an error")

    def choose(
        self,
        prefix: Sequence[Turn],
        endings: Sequence[Sequence[Turn]],
        options: Sequence[str],
        deadline: float | None = None,
    ) -> list[Choice]:
        """The next-token distribution over `options` after prefix + ending, for each ending.

        The prefix is evaluated once, and an ending's distribution does not depend on the other endings; on a
        GPU, where several go in one batch, up to rounding.

        Raises:
            ModelTimeout: `deadline` seconds passed;
            ModelError: an option is no single token, or what `stream` raises.
        """
        if not options or not all(endings):
            raise ValueError("choose needs options, and endings of at least one turn")
        if not endings:
            return []
        with self._job(deadline) as (child, call, _):
            request = {
                "do": "choose",
                "prefix": _plain(prefix),
                "endings": [_plain(ending) for ending in endings],
                "options": list(options),
            }
            (end,) = self._replies(child, child.begin(request), call)
            return [choice_of(choice) for choice in end["choices"]]

    @contextmanager
    def _job(
        self, deadline: float | None = None, beside: bool = False
    ) -> Iterator[tuple[Child, Call, Loaded | None]]:
        """The process, loaded and for this call alone; with what was loaded for that.

        Where it may only load `beside` others, none is unloaded for it, nor waited for.
        """
        me = threading.get_ident()
        if self._holder == me:
            raise ModelError(
                f"{self._label} is still streaming in this thread", "close the stream before the next call"
            )
        call = Call(self._label, None if deadline is None else time.monotonic() + deadline)
        self._calls.append(call)
        try:
            self._take_turn(call)
            self._holder = me
            try:
                needs = self.footprint
                if not self.loaded:  # its process may have died: memory is asked for anew
                    self._residency.leave(self)
                with self._residency.use(self, needs.memory, call.left, call.check, needs.vram, beside):
                    loaded = None if self.loaded else self._start(needs, call)
                    child = self._child
                    if child is None:
                        raise ModelError(f"{self._label} was closed while it was starting")
                    yield child, call, loaded
            finally:
                self._holder = None
                self._turn.release()
        finally:
            self._calls.remove(call)

    def _take_turn(self, call: Call) -> None:
        while not self._turn.acquire(timeout=call.tick):
            call.check()
            if call.left == 0:
                raise ModelTimeout(
                    f"{self._label} was busy until the deadline", "allow more time, or fewer jobs"
                )

    def _start(self, needs: Footprint, call: Call) -> Loaded:
        """Start a process and load the file into it; one that takes too long for its size is ended."""
        self._seen.check()
        began, own = time.monotonic(), call.until
        patience = LOADING + self.size / SLOWEST
        try:
            call.check()
            child = self._child = Child(self._label)
            job = child.begin(
                {
                    "do": "load",
                    "file": str(self.file),
                    "memory": needs.memory,
                    "vram": needs.vram,
                    "context": self.context,
                    "threads": self.threads,
                    "kv": self._kv,
                    "gpu_layers": self._gpu_layers,
                    "sequences": self._sequences,
                }
            )
            call.until = began + patience if own is None else min(own, began + patience)
            (end,) = self._replies(child, job, call, keep=False)
        except ModelTimeout as timeout:
            self.close()
            if call.until == own:
                raise
            raise ModelError(
                f"{self._label} did not load within {patience:.0f} s",
                "its disk may be out of order, or memory short: free some, or use a smaller model",
            ) from timeout
        except BaseException:
            self.close()
            raise
        finally:
            call.until = own
        self._ready = True
        self._residency.settle(self)
        seconds = time.monotonic() - began
        return Loaded(str(self.file), needs.total, self.context, end["vocabulary"], seconds)

    def _replies(
        self, child: Child, job: int, call: Call, keep: bool = True
    ) -> Generator[Message, None, None]:
        """A job's replies, the last one being its end; leaving early cancels the job.

        A process that is not worth to `keep` is ended for that.
        """
        done = False
        call.begin()
        try:
            while not done:
                call.check()
                message = child.receive(job, call.tick)
                if message is None:
                    if call.left == 0:
                        raise ModelTimeout(
                            f"{self._label} did not finish before the deadline",
                            "allow more time, or a smaller model",
                        )
                    continue
                call.note(message)
                done = message["kind"] in ("end", "refused")
                if message["kind"] == "refused":
                    raise refusal(message, self._label, self.file, self.header.context)
                yield message
        except ModelError as error:
            if not done:
                done = True
                call.note(_stop(child, job, keep) or {})
            error.usage = call.usage
            raise
        finally:
            if not done:
                _stop(child, job, keep)


def _stop(child: Child, job: int, keep: bool) -> Message | None:
    """End a job within half a second; its last reply, where there was one."""
    if child.gone:
        return None
    if keep:
        return child.cancel(job)
    child.end()
    return None


def _plain(turns: Sequence[Turn]) -> list[list[object]]:
    return [[turn.role, turn.text, list(turn.ids)] for turn in turns]


def threads_for(header: gguf_header.Header) -> int:
    """Threads that suit a model by default: one per core, and one alone for a tiny one."""
    return 1 if header.bytes < SMALL else cores()
