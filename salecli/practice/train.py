"""Trains the networks of the practice pool, each within a budget of minutes."""

from __future__ import annotations

import functools
import importlib.util
import math
import multiprocessing
import os
import random
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from salecli.errors import EnvironmentFault, UsageError
from salecli.practice import export
from salecli.practice import tokenizer as tokenizers
from salecli.practice.examples import Examples
from salecli.practice.induction import recalling, repeating
from salecli.practice.trees import MARK, Tree

if TYPE_CHECKING:
    import torch
    from tokenizers import Tokenizer

    from salecli.practice.network import Computing, Network
    from salecli.practice.packing import Batch

AGENTS = ("xs", "s", "m", "l")
SHARES = {"xs": 0.17, "s": 0.30, "m": 0.53, "l": 1.0}
"""How long each agent trains, relative to the largest: two queues of the same length."""
TOKENIZER = "tokenizer.json"
BATCHES = {"xs": 2560, "s": 3072, "m": 3584, "l": 4096}
"""Tokens per step: many small steps beat few large ones within minutes."""
_TEXTS = 2500
"""Trees whose text trains the tokenizer."""
_RATE, _RATE_MATRIX = 4e-3, 0.02
_LINES, _EARLY = 1.0, 0.3
"""Weights of telling right plan lines from wrong ones, and of saying the text two blocks early: a judge has
to know what it would say while there are blocks left to compare it with what it reads."""
_REPEAT_UNTIL, _REPEATED = 0.05, 0.04
"""Part of the training until which there are random tokens that repeat alone, and their share later on."""
_RECALLED = 0.15
"""Share of random lines of keys and values, among the other trees."""
_TELL_EVERY, _SAVE_EVERY = 60.0, 120.0
_COMPILE_FROM = 3.0
"""Minutes of training from which compilation pays."""

Say = Callable[[str], None]


def make_tokenizer(path: Path, seed: int) -> Tokenizer:
    """Train the pool's tokenizer on what all agents read and write, and save it."""
    texts: list[str] = []

    def collect(text: str) -> list[int]:
        texts.append(text)
        return list(text.encode())

    examples = Examples("tokenizer", collect, frozenset(b"\n"), seed)
    for _ in range(_TEXTS):
        examples.tree()
    made = tokenizers.train(texts)
    made.save(str(path))
    return made


def batches(examples: Examples, size: int, vocabulary: int, seed: int) -> Iterator[list[Tree]]:
    """Batches of trees with at least `size` tokens together, endlessly, the first ones of random tokens."""
    rng = random.Random(seed)
    while True:
        trees: list[Tree] = []
        held = 0
        while held < size:
            trees.append(_plain(rng, vocabulary, examples.part) or examples.tree())
            held += len(trees[-1].ids)
        yield trees


def _plain(rng: random.Random, vocabulary: int, part: float) -> Tree | None:
    """Now and then, at first always, a tree of random tokens."""
    if part < _REPEAT_UNTIL or rng.random() < _REPEATED:
        return repeating(rng, vocabulary)
    return recalling(rng, vocabulary) if rng.random() < _RECALLED else None


@dataclass(frozen=True, slots=True)
class Losses:
    """What a batch has the network learn."""

    each: torch.Tensor
    """Of each token that is trained."""
    weight: torch.Tensor
    early: torch.Tensor
    """Mean of the text as the last but one block reads it."""
    lines: torch.Tensor
    """Mean of telling right plan lines from wrong ones."""

    def total(self) -> torch.Tensor:
        """What the optimizers reduce."""
        return (self.each * self.weight).sum() / self.weight.sum() + _EARLY * self.early + _LINES * self.lines


def losses(network: Network, batch: Batch) -> Losses:
    """The losses of a batch."""
    from torch.nn import functional

    states = network.states(batch.layout)
    trained = (batch.target >= 0).nonzero().squeeze(-1)
    target, weight = batch.target.index_select(0, trained), batch.weight.index_select(0, trained)

    def said(hidden: torch.Tensor) -> torch.Tensor:
        return network.losses(hidden.index_select(0, trained), target)

    text = (weight < MARK).float() * weight
    early = (said(states.early) * text).sum() / text.sum().clamp(min=1)
    judged = (batch.right >= 0).nonzero().squeeze(-1)
    lines = network.line_right(states.before.index_select(0, judged)).squeeze(-1)
    about = batch.right.index_select(0, judged).float()
    right = functional.binary_cross_entropy_with_logits(lines, about) if len(about) else weight.new_zeros(())
    return Losses(said(states.after), weight, early, right)


@functools.cache
def _has_bfloat16(device: str) -> bool:
    """Whether the hardware computes in bfloat16; a CPU that has to emulate it takes twice the time."""
    import torch

    able = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return device != "cpu" or bool(able)


def computing(device: str, minutes: float) -> Computing:
    """The fastest way to compute for a training of so many minutes."""
    import torch

    from salecli.practice.network import Computing, Kernels, fused

    kind = torch.bfloat16 if _has_bfloat16(device) else torch.float32
    compiles = minutes >= _COMPILE_FROM and bool(shutil.which("g++"))
    return Computing(kind, fused() if compiles else Kernels())


def optimizers(network: Network) -> list[Any]:
    """Muon for the blocks' matrices, AdamW for the embedding and the norms."""
    import torch

    from salecli.practice.muon import Muon

    matrices = [
        weight for name, weight in network.named_parameters() if name.startswith("blk") and weight.dim() == 2
    ]
    held = {id(weight) for weight in matrices}
    rest = [weight for weight in network.parameters() if id(weight) not in held]
    return [
        Muon(matrices, lr=_RATE_MATRIX, momentum=0.95, weight_decay=0.01, kind=network.how.kind),
        torch.optim.AdamW(rest, lr=_RATE, betas=(0.9, 0.98), weight_decay=0.0),
    ]


def train(
    agent: str,
    tokenizer: Tokenizer,
    minutes: float,
    seed: int,
    say: Say,
    save: Callable[[Network], None],
    begin: Mapping[str, Any] | None = None,
    passed: float = 0.0,
) -> Network:
    """Train one agent for `minutes` of wall-clock time; `save` is called now and then.

    `begin` holds the weights to go on from, and `passed` the part of a whole training that they have had;
    without them it starts at random ones.
    """
    import torch

    from salecli.practice.network import SHAPES, Computing, Network
    from salecli.practice.packing import joined

    torch.manual_seed(seed)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    breaks, encode = tokenizers.breaks(tokenizer), _encoder(tokenizer)
    pieces = tokenizers.pieces(tokenizer)
    network: Network = Network(SHAPES[agent], tokenizer.get_vocab_size()).to(device)
    if begin is not None:
        network.load_state_dict(begin, strict=False)  # what only training needs is not in the files
    checks = [
        joined([tree], device) for tree in _some(Examples(agent, encode, breaks, -1 - seed, pieces), 24)
    ]
    examples = Examples(agent, encode, breaks, seed, pieces)
    examples.part = passed
    stream = batches(examples, BATCHES[agent], tokenizer.get_vocab_size(), seed)
    network.how = computing(device, minutes)
    steps = optimizers(network)
    rates = [group["lr"] for one in steps for group in one.param_groups]
    say(f"{agent}: {network.size:,} parameters on {device}, {minutes:g} minutes")
    start = saved = told = time.monotonic()
    count = tokens = 0
    while True:
        now = time.monotonic()
        part = passed + (1 - passed) * (now - start) / (60 * minutes)
        if part >= 1:
            break
        rate = min(1.0, (part - passed) / 0.02 + 0.02) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * part)))
        for one, base in zip([g for s in steps for g in s.param_groups], rates, strict=True):
            one["lr"] = base * rate
        examples.part = part
        batch = joined(next(stream), device)
        losses(network, batch).total().backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        for step in steps:
            step.step()
            step.zero_grad(set_to_none=True)
        count, tokens = count + 1, tokens + len(batch.layout.ids)
        if now - told > _TELL_EVERY:
            told = now
            said, marked, lines = check(network, checks)
            say(
                f"{agent}: {100 * part:.0f} % step {count} {tokens / (now - start):,.0f} tokens/s "
                f"text {said:.4f} marks {marked:.4f} lines {lines:.4f}"
            )
        if now - saved > _SAVE_EVERY:
            saved = now
            save(network)
    save(network)
    said, marked, lines = check(network, checks)
    say(f"{agent}: done, {count} steps, {tokens:,} tokens")
    say(f"{agent}: text {said:.4f} marks {marked:.4f} lines {lines:.4f}")
    network.how = Computing()
    return network


def check(network: Network, batches: list[Batch]) -> tuple[float, float, float]:
    """Mean loss per token of answers, per mark and per judged line on fixed trees."""
    import torch

    with torch.no_grad():
        found = [losses(network, batch) for batch in batches]
    each = torch.cat([one.each for one in found])
    weight = torch.cat([one.weight for one in found])
    lines = sum(float(one.lines) for one in found) / len(found)
    return float(each[weight < MARK].mean()), float(2 * each[weight == MARK].mean()), lines


def _some(examples: Examples, count: int) -> list[Tree]:
    return [examples.tree() for _ in range(count)]


def _encoder(tokenizer: Tokenizer) -> Callable[[str], list[int]]:
    def encode(text: str) -> list[int]:
        return list(tokenizer.encode(text, add_special_tokens=False).ids)

    return encode


def lanes(agents: Sequence[str], minutes: float, count: int) -> list[list[tuple[str, float]]]:
    """(agent, minutes) in up to `count` queues that run side by side, the longest one `minutes` long."""
    queues: list[list[str]] = [[] for _ in range(max(1, min(count, len(agents))))]
    for agent in sorted(agents, key=SHARES.__getitem__, reverse=True):
        min(queues, key=lambda queue: sum(map(SHARES.__getitem__, queue))).append(agent)
    factor = minutes / max(sum(SHARES[agent] for agent in queue) for queue in queues)
    # The small ones first: something usable stands early.
    return [[(agent, SHARES[agent] * factor) for agent in reversed(queue)] for queue in queues]


def train_lane(
    queue: Sequence[tuple[str, float]],
    out: Path,
    seed: int,
    threads: int,
    begin: Path | None = None,
    passed: float = 0.0,
) -> None:
    """Train the agents of one queue, and keep `out` supplied with their newest GGUF files."""
    import torch

    torch.set_num_threads(threads)
    torch.set_flush_denormal(
        True
    )  # moments of rare tokens shrink to numbers that take a CPU many times longer
    for agent, minutes in queue:
        path = out / name_of(agent)
        if begin is None:
            weights, tokenizer = None, tokenizers.load(out / TOKENIZER)
        else:
            weights, tokenizer = export.read(begin / name_of(agent))

        save = functools.partial(_save, tokenizer, f"Practice {agent}", path)
        train(agent, tokenizer, minutes, seed, _say, save, weights, passed if weights else 0.0)


def _save(tokenizer: Tokenizer, title: str, path: Path, network: Network) -> None:
    export.write(network, tokenizer, title, path)


def name_of(agent: str) -> str:
    """The name of an agent's GGUF file."""
    return f"practice-{agent}.gguf"


def train_pool(
    agents: Sequence[str],
    out: Path,
    minutes: float,
    seed: int,
    begin: Path | None = None,
    passed: float = 0.0,
) -> None:
    """Train `agents` within `minutes`, and write their GGUF files to `out`.

    With `begin`, a folder of such files, training goes on from them as if `passed` of it were over:
    the later, the lower the rates and the more kinds of lessons. An interrupted training leaves files that
    are at most two minutes behind.

    Raises:
        EnvironmentFault: PyTorch, gguf or tokenizers is missing, or a training process failed.
        UsageError: `out` cannot be written, or `begin` holds no file of an agent.
    """
    for name in ("torch", "gguf", "tokenizers"):
        if importlib.util.find_spec(name) is None:
            raise EnvironmentFault(f"training needs the package {name}", "type: pip install 'sale[train]'")
    needed = [begin / name_of(agent) for agent in agents] if begin is not None else []
    for path in needed:
        if not path.is_file():
            raise UsageError(f"there is no {path}", "leave --from out to begin from nothing")
    try:
        out.mkdir(parents=True, exist_ok=True)
        if begin is None:
            make_tokenizer(out / TOKENIZER, seed)
    except OSError as error:
        raise UsageError(
            f"{out} cannot be written: {error.strerror}", "name another folder with --out"
        ) from error
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    queues = lanes(agents, minutes, min(2, cores))
    context = multiprocessing.get_context("spawn")
    running = [
        context.Process(
            target=train_lane,
            args=(queue, out, seed, max(1, cores // len(queues)), begin, passed),
        )
        for queue in queues
    ]
    try:
        for one in running:
            one.start()
        for one in running:
            one.join()
    finally:
        for one in running:
            if one.is_alive():
                one.terminate()
                one.join()
    if any(one.exitcode for one in running):
        raise EnvironmentFault("a training process ended with an error", f"what is finished lies in {out}")


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()
