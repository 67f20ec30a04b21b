"""A model on a server that speaks OpenAI's API: llama-server first, then vLLM, Ollama and others.

Where the server takes token ids, prompts are our own ChatML, append-only as in process, and the server's
prefix cache hits. Any number of threads may call at the same time.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import Any

from salecli.adapters import endpoint_requests as requests
from salecli.adapters.endpoint_answers import Name, Piece, Shares, choice, entropy, pieces, shares
from salecli.adapters.endpoint_faults import Unusable
from salecli.adapters.endpoint_line import Line
from salecli.adapters.endpoint_probe import Remote, Server, probe
from salecli.adapters.endpoint_run import Run, evaluated
from salecli.adapters.llama_call import Call
from salecli.core.calls import Choice, Limits, Loaded, Token, Turn, Usage
from salecli.errors import ContextFull, ModelError

PROBING = 60.0
"""Seconds for finding out what a server can; some load a model for it."""
WIDEST = 16_384
"""Most log-probabilities of one token that are asked for: 2 MB."""
_WORDS = 8
"""Tokens that a judge may say before its digit where the server begins its reply itself."""


class EndpointModel:
    """One model of a server. Fits `salecli.core.ports.Model`; the server is probed at the first use."""

    def __init__(
        self,
        line: Line,
        model: str,
        *,
        name: str = "",
        context: int = 8_192,
        top: int = 0,
        vocabulary: int = 0,
    ) -> None:
        """Nothing is connected yet.

        Args:
            name: what messages call the model; the server's name of it by default.
            context: tokens that it may use, as far as the server has as many.
            top: log-probabilities per token to ask for; 0 takes what the server tells well.
            vocabulary: its size where the server does not say.
        """
        self.model = model
        self.name = name or model
        self.line = line
        self._context = context
        self._wishes = (top, vocabulary)
        self._server: Server | None = None
        self._probing = threading.Lock()
        self._calls: list[Call] = []
        self._notes: list[str] = []
        self._lied = False

    def __repr__(self) -> str:
        return f"EndpointModel({self.model!r}, {self.line!r})"

    @property
    def vocabulary(self) -> int:
        """Size of the vocabulary that entropies are over; known once the server was asked."""
        return self._server.vocabulary if self._server is not None else 0

    @property
    def size(self) -> int:
        """It takes no memory here."""
        return 0

    @property
    def loaded(self) -> bool:
        """Whether the server was asked what it can."""
        return self._server is not None

    @property
    def server(self) -> Server | None:
        """What is known of the server."""
        return self._server

    def load(self) -> Loaded | None:
        """Ask the server what it can; None where that is known."""
        if self._server is not None:
            return None
        began = time.monotonic()
        with self._call(PROBING) as (_, server):
            seconds = time.monotonic() - began
            where = f"{server.model} at {self.line.address.name}"
            return Loaded(where, 0, self._fits(server), server.vocabulary, seconds)

    def preload(self) -> None:
        """Nothing is loaded here."""

    def told(self) -> list[str]:
        """Notes for the user since the last call."""
        notes, self._notes = self._notes, []
        return self.line.told() + notes

    def cancel(self) -> None:
        """End the calls that other threads are in: closing their connections ends the server's work."""
        for call in tuple(self._calls):
            call.cancelled = True

    def close(self) -> None:
        """Nothing is held here; the line is closed by who opened it."""

    def stream(self, turns: Sequence[Turn], limits: Limits) -> Generator[Token, None, Usage]:
        """Continue a chat token by token; closing the generator closes the connection.

        Raises:
            ContextFull: the prompt does not fit; ModelTimeout: `limits.deadline` seconds passed;
            ModelError: the server is down, refuses, or answers what is none.
        """
        with self._call(limits.deadline) as (call, server):
            chat = server.chat
            if chat is None:
                run = Run(prompt=0)
                body = requests.chat(server, turns, limits, limits.max_tokens, stream=True)
                yield from self._told(call, server, "/chat/completions", body, run)
                return self._usage(server, run, limits.max_tokens)
            self._lend(server, call)
            thinking = limits.think > 0 and chat.think is not None
            prompt = chat.open(turns, thinking=thinking)
            run = Run(prompt=len(prompt))
            if thinking:
                prompt = self._thought(call, server, prompt, limits, run)
            room = self._room(server, prompt)
            body = requests.completion(server, prompt, limits, min(limits.max_tokens, room))
            yield from self._told(call, server, "/completions", body, run)
            return self._usage(server, run, limits.think + limits.max_tokens)

    def choose(
        self,
        prefix: Sequence[Turn],
        endings: Sequence[Sequence[Turn]],
        options: Sequence[str],
        deadline: float | None = None,
    ) -> list[Choice]:
        """The next-token distribution over `options` after prefix + ending, for each ending.

        Raises:
            ModelTimeout: `deadline` seconds passed;
            ModelError: an option is no single token, or beyond what the server tells, or as for `stream`.
        """
        if not options or not all(endings):
            raise ValueError("choose needs options, and endings of at least one turn")
        if not endings:
            return []
        with self._call(deadline) as (call, server):
            if server.chat is None:
                return [self._said(call, server, [*prefix, *ending], options) for ending in endings]
            self._lend(server, call)
            ids = [server.chat.text(option) for option in options]
            for option, found in zip(options, ids, strict=True):
                if len(found) != 1:
                    raise ModelError(
                        f"{option!r} is {len(found)} tokens for {self.name}, not one",
                        "choose options that are single tokens, such as digits",
                    )
            begun = server.chat.closed(prefix)
            prompts = [begun + server.chat.open(ending) for ending in endings]
            self._room(server, max(prompts, key=len))
            chosen = [one for (one,) in ids]
            return [self._next(call, server, prompt, len(begun), chosen) for prompt in prompts]

    @contextmanager
    def _call(self, deadline: float | None) -> Iterator[tuple[Call, Server]]:
        """A call of this model, and what is known of its server; what it consumed is put to its error."""
        label = f"{self.name} ({self.model} at {self.line.address.name})"
        call = Call(label, None if deadline is None else time.monotonic() + deadline)
        self._calls.append(call)
        try:
            with self._probing:
                if self._server is None:
                    self._server = self._probed(call)
                server = self._server
            call.begin()
            yield call, server
        except Unusable as unusable:
            self._server = None
            raise self._with_usage(self.line.unusable(unusable), call) from None
        except ContextFull:
            raise
        except ModelError as error:
            # Who knows what will answer there the next time.
            self._server = None
            raise self._with_usage(error, call) from None
        finally:
            self._calls.remove(call)

    def _with_usage(self, error: ModelError, call: Call) -> ModelError:
        if call.counts:
            error.usage = call.usage
        return error

    def _probed(self, call: Call) -> Server:
        top, vocabulary = self._wishes
        server = probe(self.line, self.model, call, top, vocabulary)
        if 0 < server.context < self._context:
            self._notes.append(
                f"its context is {server.context:,} tokens instead of {self._context:,}: "
                "its server has no more"
            )
        if server.assumed:
            table = f"[endpoints.{self.line.address.name}]"
            self._notes.append(
                f"its server does not tell its vocabulary's size, {server.vocabulary:,} is assumed: "
                f"{table} vocabulary"
            )
        return server

    def _lend(self, server: Server, call: Call) -> None:
        """Let the tokenizer's requests count for this call."""
        if server.chat is not None and isinstance(server.chat.tokenizer, Remote):
            server.chat.tokenizer.call = call

    def _fits(self, server: Server) -> int:
        return min(self._context, server.context or self._context)

    def _room(self, server: Server, prompt: Sequence[int]) -> int:
        """Tokens that fit after `prompt`."""
        context = self._fits(server)
        if len(prompt) >= context:
            more = "serve it with a larger context" if context < self._context else "set its context to more"
            raise ContextFull(
                f"the prompt takes {len(prompt)} tokens, the context of {self.name} is {context}",
                f"{more}, or shorten the task",
            )
        return context - len(prompt)

    def _thought(self, call: Call, server: Server, prompt: list[int], limits: Limits, run: Run) -> list[int]:
        """The prompt with a thought of at most `limits.think` tokens, which is not shown."""
        chat = server.chat
        assert chat is not None
        assert chat.think is not None
        prompt = [*prompt, chat.think, *chat.text("\n")]
        most = min(limits.think, self._room(server, prompt))
        thoughts: list[int] = []
        done = False
        body = requests.completion(server, prompt, limits, most)
        if server.kind == "llama-server":
            body["timings_per_token"] = True  # its usage comes last, and a thought may end before
        run.prompt = len(prompt)
        with closing(self.line.stream("/completions", body, call)) as answer:
            for part in answer:
                run.take(part)
                for piece in pieces(choice(part)):
                    done = done or piece.id in (chat.unthink, chat.end, chat.start)
                    if not done:
                        thoughts.append(piece.id)
                run.thoughts = len(thoughts)
                call.note(run.so_far())
                if done or len(thoughts) > most:
                    break
        del thoughts[most:]
        run.begin_again(len(thoughts))
        prompt = [*prompt, *thoughts, *chat.end_of_thought(cut=not done)]
        run.prompt = len(prompt)
        return prompt

    def _told(
        self, call: Call, server: Server, path: str, body: Mapping[str, Any], run: Run
    ) -> Generator[Token, None, None]:
        """The tokens of a streamed answer; a token without text at its very end is the end's own mark."""
        held: list[Piece] = []
        took = 0
        ends = (server.chat.start, server.chat.end) if server.chat is not None else ()
        with closing(self.line.stream(path, body, call)) as answer:
            for part in answer:
                run.take(part)
                chosen = choice(part) if part.get("choices") else {}
                for piece in pieces(chosen) if chosen else ():
                    if piece.id in ends:
                        run.end = "stop"
                        if server.chat is not None and piece.id == server.chat.start:
                            return  # it opens a turn of its own, which no server takes for the end
                        continue
                    held.append(piece)
                    took += bool(piece.text)
                    if max(took, len(held)) > body["max_tokens"]:
                        run.end = "length"
                        return  # a server that takes no notice of what was asked for
                    if not piece.text:
                        continue
                    for one in self._whole(server, held):
                        run.seen += 1
                        call.note(run.so_far())
                        yield one
                    held.clear()
        if not run.end:
            raise Unusable(f"cut the stream after {run.seen} tokens")
        if run.end == "length":
            for one in self._whole(server, held):
                run.seen += 1
                yield one

    def _whole(self, server: Server, held: Sequence[Piece]) -> Iterator[Token]:
        """The tokens of some pieces, the last of which ends with a whole character.

        llama-server sends no piece for a token that ends within a character: the text of the next one has
        them both, and the ids come from the tokenizer.
        """
        for piece in held:
            middle, half = entropy(piece.top.values(), server.vocabulary)
            ids = [piece.id]
            if server.kind == "llama-server" and server.chat is not None and not piece.text.isascii():
                found = server.chat.tokenizer.tokenize(piece.text)
                ids = found if found[-1:] == ids else ids
            for number in ids[:-1]:
                yield Token(number, "", middle, piece.logprob, half)
            yield Token(ids[-1], piece.text, middle, piece.logprob, half)

    def _next(self, call: Call, server: Server, prompt: list[int], begun: int, options: list[int]) -> Choice:
        """One distribution; llama-server is asked for more of it until the options' shares are certain."""
        began = time.monotonic()
        top, passed = server.top, 0
        if server.kind == "llama-server" and server.chat is not None:
            # Its cache would keep what this ending shares with the last one, and evaluate the rest in a batch
            # of another size, which is rounded otherwise. After one other token it keeps the prefix alone: an
            # ending's distribution does not depend on what was asked before it.
            body = requests.nothing(server, [*prompt[:begun], server.chat.end])
            passed += evaluated(self.line.ask("/completions", body, call))
        while True:
            answer = self.line.ask("/completions", requests.next_token(server, prompt, top, options), call)
            run = Run(prompt=len(prompt))
            run.take(answer)
            usage = self._usage(server, run, 2)
            passed += usage.evaluated
            (piece, *_) = pieces(choice(answer)) or [Piece(-1, "", 0.0, {})]
            found = shares(piece.top, options, server.vocabulary)
            most = min(server.vocabulary, max(WIDEST, server.top))
            if found.exact or server.kind != "llama-server" or top >= most:
                break
            top = min(16 * top, most)
        call.note({"prompt": usage.prompt, "evaluated": passed})
        spent = replace(usage, evaluated=passed, generated=0, seconds=time.monotonic() - began, end="stop")
        return self._choice(found, spent)

    def _said(self, call: Call, server: Server, turns: Sequence[Turn], options: Sequence[str]) -> Choice:
        """The distribution where a judge that begins its reply itself says its first option."""
        began = time.monotonic()
        body = requests.chat(server, turns, Limits(temperature=0.0), _WORDS, stream=False)
        answer = self.line.ask("/chat/completions", body, call)
        run = Run(prompt=0)
        run.take(answer)
        usage = replace(self._usage(server, run, _WORDS), seconds=time.monotonic() - began, end="stop")
        names: list[Name] = list(options)
        for piece in pieces(choice(answer)):
            if piece.text.strip() in options:
                return self._choice(shares(piece.top, names, server.vocabulary), usage)
        raise ModelError(f"{self.name} said none of {', '.join(options)}", "let a larger model judge")

    def _choice(self, found: Shares, usage: Usage) -> Choice:
        mass = sum(found.of)
        if found.hidden > mass / 2:
            raise ModelError(
                f"what {self.name} may choose from is not among the tokens that its server tells of",
                f"let it tell more: [endpoints.{self.line.address.name}] logprobs",
            )
        if not found.exact:
            self._note_once(
                f"some digits of its marks are beyond what its server tells: known to {found.hidden:.2g}"
            )
        return Choice(tuple(share / mass for share in found.of), mass, usage)

    def _usage(self, server: Server, run: Run, most: int) -> Usage:
        usage, honest = run.usage(most, server.context)
        if not honest:
            self._note_once("its server's counts of tokens cannot be true: our own are used")
        return usage

    def _note_once(self, note: str) -> None:
        if not self._lied:
            self._lied = True
            self._notes.append(note)
