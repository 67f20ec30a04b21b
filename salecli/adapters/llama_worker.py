"""The process that holds one model: reads requests from a pipe, answers on another, dies with its parent.

Started by `llama_child.py` as `python -m salecli.adapters.llama_worker`. What llama.cpp prints goes to
standard error, which the parent keeps in a file; neither end of the terminal is ever touched.
"""

from __future__ import annotations

import codecs
import contextlib
import os
import queue
import resource
import signal
import sys
import threading
import time
import traceback
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from salecli.adapters.chat import AnyChat, chat_of
from salecli.adapters.llama_choose import choose, fits, turns_of
from salecli.adapters.llama_faults import Cancelled, NativeError, Refused
from salecli.adapters.wire import Broken, Message, Reader, Writer

if TYPE_CHECKING:
    from salecli.adapters.llama_native import Flag, Sequence0

LATENCY = 0.010
"""Seconds that a token may wait for company before it is sent."""


MARGIN = 2 << 30
"""Bytes of memory that the process may take beyond twice what its model was estimated at."""
PRINTED = 256 << 20
"""Bytes of the file that takes what llama.cpp prints."""


def main() -> None:
    """Take the pipes over, then serve until the parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what Ctrl-C means
    requests, replies = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)  # whatever prints, prints into the parent's file
    # When memory runs out, the kernel should end this process and not the tool.
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write("500")
    _bound(resource.RLIMIT_FSIZE, PRINTED)
    inbox: queue.SimpleQueue[Message] = queue.SimpleQueue()
    stop = Stop()
    parent = os.getppid()
    threading.Thread(target=_listen, args=(Reader(requests), inbox, stop, parent), daemon=True).start()
    worker = Worker(Writer(replies), stop)
    while True:
        try:
            worker.serve(inbox.get())
        except Broken:
            os._exit(0)


def _room_on_gpu(wanted: int) -> None:
    """Refuse a load for which no GPU has room any more: other programs take theirs whenever they like."""
    from salecli.adapters.llama_devices import gpus

    free = sum(gpu["free"] for gpu in gpus())
    if wanted > free:
        raise Refused("vram", wanted=wanted, free=free)


def _bound(what: int, most: int) -> None:
    """Hold this process to a limit of the kernel's, where the limit is not lower already."""
    _, hard = resource.getrlimit(what)
    with contextlib.suppress(OSError, ValueError):
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(what, (most, hard))


class Stop:
    """Which job the parent wants to end, and the flag that the computing side looks at."""

    def __init__(self) -> None:
        self.flag: Flag | None = None
        self._lock = threading.Lock()
        self._current = 0
        self._cancelled = 0

    def begin(self, job: int) -> None:
        with self._lock:
            self._current = job
            self._raise()

    def cancel(self, job: int) -> None:
        with self._lock:
            self._cancelled = max(self._cancelled, job)
            self._raise()

    def _raise(self) -> None:
        if self.flag is not None:
            self.flag.up = self._current <= self._cancelled


def _listen(reader: Reader, inbox: queue.SimpleQueue[Message], stop: Stop, parent: int) -> None:
    """Pass requests on; end the process, whatever it is doing, when the parent is gone.

    Not by PR_SET_PDEATHSIG: that fires when the *thread* that started this process ends. The parent's id
    is looked at too, because a forked copy of the parent may hold the pipe open.
    """
    while True:
        try:
            message = reader.receive(timeout=1.0)
        except Broken:
            os._exit(0)
        except BaseException:  # no memory for the request: nobody would ever answer it
            traceback.print_exc()
            sys.stderr.flush()
            os._exit(70)
        if os.getppid() != parent:
            os._exit(0)
        if message is None:
            continue
        if message["do"] == "cancel":
            stop.cancel(message["job"])
        else:
            inbox.put(message)


class Worker:
    """Does the jobs, one after the other."""

    def __init__(self, replies: Writer, stop: Stop) -> None:
        self._replies = replies
        self._stop = stop
        self._job = 0
        self._sequence: Sequence0
        self._chat: AnyChat
        self._blocked = 0.0

    def serve(self, request: Message) -> None:
        """Do one job; its last reply is `end` or `refused`."""
        self._job = request["job"]
        self._stop.begin(self._job)
        self._blocked = 0.0
        began = time.monotonic()
        try:
            end = {"load": self._load, "stream": self._stream, "choose": self._choose}[request["do"]](request)
        except Refused as refused:
            self._send({"kind": "refused", **refused.fields})
        else:
            seconds = time.monotonic() - began - self._blocked
            self._send({"kind": "end", "seconds": seconds, **end})

    def _send(self, message: Message) -> None:
        began = time.monotonic()
        self._replies.send({"job": self._job, **message})
        self._blocked += time.monotonic() - began

    def _load(self, request: Message) -> Message:
        try:
            from salecli.adapters import llama_native as native
        except (ImportError, OSError, RuntimeError) as error:
            raise Refused("import", reason=str(error)) from error
        native.start()
        if native.offloads(request["gpu_layers"]):
            _room_on_gpu(request["vram"])
        else:  # a GPU's driver maps far more than it takes
            _bound(resource.RLIMIT_DATA, 2 * request["memory"] + MARGIN)
        self._stop.flag = native.Flag()
        try:
            sequence = native.Sequence0(
                request["file"],
                request["context"],
                tuple(request["threads"]),
                request["gpu_layers"],
                self._stop.flag,
                request["kv"],
                request["sequences"],
            )
        except NativeError as error:
            raise Refused("load", reason=str(error)) from error
        try:
            self._chat = chat_of(sequence)
        except (LookupError, TimeoutError) as error:
            raise Refused("vocabulary", reason=str(error)) from error
        self._sequence = sequence
        return {"vocabulary": sequence.vocabulary.size}

    def _stream(self, request: Message) -> Message:
        from salecli.adapters import llama_native as native

        limits = request["limits"]
        prompt = self._chat.open(turns_of(request["turns"]), thinking=limits["think"] > 0)
        fits(len(prompt), self._sequence.context)
        run = _Run(len(prompt))
        sampler = native.Sampler(limits["temperature"], limits["top_p"], limits["top_k"], limits["seed"])
        with sampler as chain:
            try:
                self._continue(run, prompt, chain, limits)
                tokens = self._measured(run)
            except NativeError as error:
                raise Refused("native", reason=str(error), **run.counts) from error
            except Refused as refused:
                refused.fields |= run.counts
                raise
        return {"tokens": tokens, **run.counts, "end": run.end}

    def _continue(self, run: _Run, prompt: list[int], chain: Any, limits: Message) -> None:
        """Evaluate the prompt and draw tokens, until they end or the parent cancels."""
        before = self._sequence.evaluated
        try:
            run.evaluated = self._sequence.evaluate(prompt)
            run.end = self._generate(run, chain, limits)
        except Cancelled:
            run.evaluated = run.evaluated or self._sequence.evaluated - before
            run.end = "cancelled"

    def _generate(self, run: _Run, chain: Any, limits: Message) -> str:
        """Draw tokens until one ends the turn or a limit is reached; returns how it ended."""
        sequence = self._sequence
        vocabulary, stops = sequence.vocabulary, self._chat.stops
        if limits["max_tokens"] < 1:
            return "length"
        sequence.check()
        sequence.measures.clear()
        token = sequence.draw(chain)
        if limits["think"] > 0 and token == self._chat.think:
            self._think(run, chain, token, limits["think"])
            token = sequence.draw(chain)
        while not (vocabulary.ends(token) or token in stops):
            run.generated += 1
            run.waiting.append((token, run.decoder.decode(vocabulary.piece(token))))
            late = time.monotonic() - run.sent > LATENCY and not run.decoder.getstate()[0]
            if late or len(run.waiting) == sequence.measures.room:
                self._flush(run)
            if run.generated == limits["max_tokens"] or len(sequence.held) == sequence.context:
                return "length"
            sequence.step(token)
            token = sequence.draw(chain)
        return "stop"

    def _think(self, run: _Run, chain: Any, token: int, most: int) -> None:
        """Let the model think, at most `most` tokens, and end its think block."""
        sequence = self._sequence
        closing = self._chat.end_of_thought(cut=True)
        thought: list[int] = []
        while token != self._chat.unthink and not sequence.vocabulary.ends(token) and run.thoughts < most:
            run.thoughts += 1
            thought.append(token)
            if len(thought) == sequence.measures.room:
                run.weigh(sequence.measures.figures(thought))
                thought.clear()
            if len(sequence.held) + 1 + len(closing) >= sequence.context:
                raise Refused(
                    "context", tokens=run.prompt + run.thoughts, context=sequence.context, thinking=True
                )
            sequence.step(token)
            token = sequence.draw(chain)
        run.weigh(sequence.measures.figures(thought))
        forced = self._chat.end_of_thought(cut=token != self._chat.unthink)
        if len(sequence.held) + len(forced) > sequence.context:
            raise Refused(
                "context", tokens=run.prompt + run.thoughts, context=sequence.context, thinking=True
            )
        sequence.extend(forced)
        run.prompt += len(forced)
        run.evaluated += len(forced)

    def _flush(self, run: _Run) -> None:
        """Send the tokens that wait."""
        if run.waiting:
            self._send({"kind": "tokens", "tokens": self._measured(run), **run.counts})
        run.sent = time.monotonic()

    def _measured(self, run: _Run) -> list[tuple[Any, ...]]:
        """The tokens that wait, as the parent's Token takes them.

        A character left half at the end becomes a replacement mark.
        """
        waiting, run.waiting = run.waiting, []
        if run.end and (rest := run.decoder.decode(b"", final=True)) and waiting:
            waiting[-1] = (waiting[-1][0], waiting[-1][1] + rest)
        figures = self._sequence.measures.figures([token for token, _ in waiting])
        return [(*said, *found) for said, found in zip(waiting, figures, strict=True)]

    def _choose(self, request: Message) -> Message:
        return choose(self._sequence, self._chat, request)


@dataclass
class _Run:
    """One generation on its way."""

    prompt: int
    evaluated: int = 0
    generated: int = 0
    thoughts: int = 0
    thought_nats: float = 0.0
    end: str = ""
    sent: float = 0.0
    waiting: list[tuple[int, str]] = field(default_factory=list)
    """Tokens that were not sent yet; their distributions wait in the sequence's measures."""
    decoder: codecs.IncrementalDecoder = field(
        default_factory=lambda: codecs.getincrementaldecoder("utf-8")("replace")
    )

    @property
    def counts(self) -> Message:
        """What it has consumed so far, in the words of a Usage."""
        return {
            "prompt": self.prompt,
            "evaluated": self.evaluated,
            "generated": self.generated + self.thoughts,
            "thoughts": self.thoughts,
            "thought_nats": self.thought_nats,
        }

    def weigh(self, figures: list[tuple[float, float]]) -> None:
        """Add the entropies of thoughts."""
        self.thought_nats += sum(entropy for entropy, _ in figures)


if __name__ == "__main__":
    try:
        main()
    except BaseException:
        # A bug. Without the interpreter's own end, which would tear llama.cpp down under running threads.
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(70)
