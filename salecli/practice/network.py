"""A Qwen3-architecture network in plain PyTorch, as llama.cpp evaluates it.

Imported only by training and its tests: it needs the extra `train`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

ROPE_BASE = 1e6
"""As Qwen3 has it: with 10,000, half of a head this small cannot match words over a few hundred tokens."""
EPSILON = 1e-6
HEAD = 32
CONTEXT = 2048


@dataclass(frozen=True, slots=True)
class Shape:
    """The size of a network."""

    width: int
    blocks: int
    heads: int
    kv_heads: int
    inner: int


SHAPES = {
    "xs": Shape(64, 4, 2, 2, 160),
    "s": Shape(96, 5, 2, 2, 288),
    "m": Shape(160, 6, 4, 2, 448),
    "l": Shape(256, 6, 4, 2, 704),
}
"""Deep for their width: a judge says what would come next, compares, and counts, one after the other."""


class Norm(nn.Module):  # type: ignore[misc]
    """The weight of a root mean square normalisation."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))


@dataclass(frozen=True, slots=True)
class Rows:
    """Queries and keys that are evaluated together, as indices of tokens; short rows are filled up."""

    queries: Tensor
    """[rows, most queries], as indices of the tokens that look."""
    keys: Tensor
    """[rows, most keys]"""
    bias: Tensor
    """[rows, most queries, most keys]: 0 where a query sees a key, else a large negative number."""


@dataclass(frozen=True, slots=True)
class Sight:
    """Which tokens look, and at what."""

    rows: tuple[Rows, ...]
    order: Tensor
    """[looking tokens]: where each one's query stands in all rows' queries one after the other."""
    tokens: Tensor | None = None
    """[looking tokens]: their indices; None where all look, in their order."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Tokens of several sequences in one line, and who sees whom.

    Long lines of short sequences cost what the sequences cost: no padding in the matrices, and attention
    over each sequence alone.
    """

    ids: Tensor
    """[tokens]"""
    places: Tensor
    """[tokens]: positions for the rotary embedding."""
    sight: Sight
    last: Sight | None = None
    """In the last block, where it is given: nobody reads what the other tokens would find there."""


HIDDEN = -30_000.0


def line(ids: Sequence[int]) -> Layout:
    """One plain sequence."""
    count = len(ids)
    every = torch.arange(count)
    bias = torch.full((1, count, count), HIDDEN).triu(1)
    return Layout(torch.tensor(ids), every, Sight((Rows(every[None], every[None], bias),), every))


def rotation(places: Tensor, base: Tensor) -> tuple[Tensor, Tensor]:
    """Cosines and sines of the rotary embedding, each [tokens, 1, HEAD]."""
    half = HEAD // 2
    rates = base ** (-torch.arange(half, device=places.device, dtype=torch.float32) / half)
    angles = places.to(torch.float32)[:, None] * rates
    angles = torch.cat((angles, angles), dim=-1).unsqueeze(1)
    return angles.cos(), angles.sin()


def rotated(x: Tensor, weight: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """x [tokens, heads * HEAD] normalised by head, then turned in the halves layout ("NEOX"), in float32."""
    x = functional.rms_norm(x.unflatten(-1, (-1, HEAD)).float(), (HEAD,), weight, EPSILON)
    low, high = x.chunk(2, dim=-1)
    return (x * cos + torch.cat((-high, low), dim=-1) * sin).flatten(1)


def shares(scores: Tensor, bias: Tensor) -> Tensor:
    """The softmax of scores [rows, heads, queries, keys] over the keys, without a pass for the largest.

    Queries and keys are normalised: scores stay far below what `exp` can take.
    """
    raised = (scores.float() + bias[:, None]).clamp(max=80.0).exp()
    return (raised / raised.sum(-1, keepdim=True)).to(scores.dtype)


class Seen(torch.autograd.Function):  # type: ignore[misc]
    """`shares` with PyTorch's own softmax backwards: a third of the time of a compiled one."""

    @staticmethod
    def forward(
        ctx: Any, scores: Tensor, bias: Tensor, forward: Callable[[Tensor, Tensor], Tensor]
    ) -> Tensor:
        found = forward(scores, bias)
        ctx.save_for_backward(found)
        return found

    @staticmethod
    def backward(ctx: Any, *given: Tensor) -> tuple[Tensor, None, None]:
        (found,) = ctx.saved_tensors
        return torch._softmax_backward_data(given[0], found, -1, found.dtype), None, None


def asked(
    x: Tensor, norm: Tensor, q: Tensor, k: Tensor, v: Tensor, q_norm: Tensor, k_norm: Tensor,
    cos: Tensor, sin: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """Queries, keys and values of hidden states x [tokens, width], in the matrices' type."""
    y = functional.rms_norm(x, (x.shape[-1],), norm, EPSILON).to(q.dtype)
    queries = rotated(functional.linear(y, q), q_norm, cos, sin) * HEAD**-0.5
    keys = rotated(functional.linear(y, k), k_norm, cos, sin)
    return queries.to(q.dtype), keys.to(q.dtype), functional.linear(y, v)


def thought(
    x: Tensor, read: Tensor, output: Tensor, norm: Tensor, gate: Tensor, up: Tensor, down: Tensor
) -> Tensor:
    """Hidden states x after what was read and the feed-forward layer."""
    x = x + functional.linear(read, output).float()
    y = functional.rms_norm(x, (x.shape[-1],), norm, EPSILON).to(gate.dtype)
    inner = functional.silu(functional.linear(y, gate)) * functional.linear(y, up)
    return x + functional.linear(inner, down).float()


def surprise(hidden: Tensor, table: Tensor, target: Tensor) -> Tensor:
    """The loss of each target token, [tokens], given the hidden states before them."""
    return functional.cross_entropy(functional.linear(hidden, table).float(), target, reduction="none")


@dataclass(frozen=True, slots=True)
class Kernels:
    """What is computed between looking things up in memory."""

    asked: Callable[..., tuple[Tensor, Tensor, Tensor]] = asked
    shares: Callable[[Tensor, Tensor], Tensor] = shares
    thought: Callable[..., Tensor] = thought
    surprise: Callable[[Tensor, Tensor, Tensor], Tensor] = surprise


def fused() -> Kernels:
    """The same compiled: a third faster on a CPU, after half a minute of compilation."""
    made = (torch.compile(one, dynamic=True) for one in (asked, shares, thought, surprise))
    return Kernels(*made)


def attention(q: Tensor, k: Tensor, v: Tensor, sight: Sight, kernels: Kernels) -> Tensor:
    """What each looking token reads, [looking tokens, heads * HEAD].

    q is [looking tokens, heads * HEAD], k and v are [tokens, kv heads * HEAD].

    Written out, because the fused kernels are slow backwards under a mask on a CPU, as `x[index]` is.
    """
    heads, kv_heads = q.shape[1] // HEAD, k.shape[1] // HEAD
    shared = heads // kv_heads
    read = []
    for rows in sight.rows:
        count, asking = rows.queries.shape
        known = rows.keys.shape[1]
        # [rows, kv heads, queries of the heads that share it, HEAD]
        a = (
            q.index_select(0, rows.queries.flatten())
            .view(count, asking, kv_heads, shared, HEAD)
            .permute(0, 2, 3, 1, 4)
            .reshape(count * kv_heads, shared * asking, HEAD)
        )
        b, c = (
            x.index_select(0, rows.keys.flatten())
            .view(count, known, kv_heads, HEAD)
            .transpose(1, 2)
            .reshape(count * kv_heads, known, HEAD)
            for x in (k, v)
        )
        scores = (a @ b.mT).view(count, heads, asking, known)
        found: Tensor = Seen.apply(scores, rows.bias, kernels.shares)
        mixed = found.view(count * kv_heads, shared * asking, known) @ c
        mixed = mixed.view(count, kv_heads, shared, asking, HEAD).permute(0, 3, 1, 2, 4)
        read.append(mixed.reshape(count * asking, heads * HEAD))
    return torch.cat(read).index_select(0, sight.order)


@dataclass(frozen=True, slots=True)
class Computing:
    """How a network computes: hidden states are float32, matrices of `kind`."""

    kind: torch.dtype = torch.float32
    kernels: Kernels = field(default_factory=Kernels)


class Block(nn.Module):  # type: ignore[misc]
    """Attention with normalised queries and keys, then a gated feed-forward layer."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.heads, self.kv_heads = shape.heads, shape.kv_heads
        self.attn_norm = Norm(shape.width)
        self.attn_q = nn.Linear(shape.width, shape.heads * HEAD, bias=False)
        self.attn_k = nn.Linear(shape.width, shape.kv_heads * HEAD, bias=False)
        self.attn_v = nn.Linear(shape.width, shape.kv_heads * HEAD, bias=False)
        self.attn_q_norm = Norm(HEAD)
        self.attn_k_norm = Norm(HEAD)
        self.attn_output = nn.Linear(shape.heads * HEAD, shape.width, bias=False)
        self.ffn_norm = Norm(shape.width)
        self.ffn_gate = nn.Linear(shape.width, shape.inner, bias=False)
        self.ffn_up = nn.Linear(shape.width, shape.inner, bias=False)
        self.ffn_down = nn.Linear(shape.inner, shape.width, bias=False)

    def forward(self, x: Tensor, turn: tuple[Tensor, Tensor], sight: Sight, how: Computing) -> Tensor:
        """Hidden states of the tokens that look."""
        kind, kernels = how.kind, how.kernels
        q, k, v = kernels.asked(
            x,
            self.attn_norm.weight,
            *(one.weight.to(kind) for one in (self.attn_q, self.attn_k, self.attn_v)),
            self.attn_q_norm.weight,
            self.attn_k_norm.weight,
            *turn,
        )
        if sight.tokens is not None:
            x, q = x.index_select(0, sight.tokens), q.index_select(0, sight.tokens)
        read = attention(q, k, v, sight, kernels)
        gate, up, down = (one.weight.to(kind) for one in (self.ffn_gate, self.ffn_up, self.ffn_down))
        return kernels.thought(
            x, read, self.attn_output.weight.to(kind), self.ffn_norm.weight, gate, up, down
        )


@dataclass(frozen=True, slots=True)
class States:
    """Normalised hidden states, each [tokens, width]."""

    after: Tensor
    """After the last block."""
    before: Tensor
    """What the last block reads."""
    early: Tensor
    """What the last but one reads."""


class Network(nn.Module):  # type: ignore[misc]
    """Tokens in, hidden states out; `logits` turns chosen states into next-token logits."""

    def __init__(self, shape: Shape, vocabulary: int) -> None:
        super().__init__()
        self.shape = shape
        self.how = Computing()
        self.token_embd = nn.Embedding(vocabulary, shape.width)
        self.blk = nn.ModuleList(Block(shape) for _ in range(shape.blocks))
        self.output_norm = Norm(shape.width)
        self.register_buffer("rope_base", torch.tensor(ROPE_BASE))
        self.line_right = nn.Linear(shape.width, 1)
        """Trained beside the marks to tell right plan lines from wrong ones; not exported.

        It reads what the last block reads, so that a mark can be made of what is found there.
        """
        for name, weight in self.named_parameters():
            if weight.dim() == 2:
                scale = 0.02 if name.startswith("token_embd") else 1 / math.sqrt(weight.shape[1])
                nn.init.normal_(weight, std=scale)
                if name.endswith(("attn_output.weight", "ffn_down.weight")):
                    nn.init.zeros_(weight)  # tokens can be told apart in all blocks from the first step on
        with torch.no_grad():
            begin_copying(self)

    def forward(self, layout: Layout) -> Tensor:
        """Hidden states [tokens, width], of those that look in the last block."""
        return self.states(layout).after

    def states(self, layout: Layout) -> States:
        """What the looking tokens of the last block hold on the way."""
        last = layout.last or layout.sight

        def looking(x: Tensor) -> Tensor:
            x = x if last.tokens is None else x.index_select(0, last.tokens)
            return functional.rms_norm(x, (self.shape.width,), eps=EPSILON)

        x = self.token_embd(layout.ids)
        turn = rotation(layout.places, self.rope_base)
        early = x
        for block in self.blk[:-1]:
            early, x = x, block(x, turn, layout.sight, self.how)
        before, x = looking(x), self.blk[-1](x, turn, last, self.how)
        after = functional.rms_norm(x, (self.shape.width,), self.output_norm.weight, EPSILON)
        return States(after, before, looking(early))

    def logits(self, hidden: Tensor) -> Tensor:
        """Next-token logits of hidden states."""
        kind = self.how.kind
        return functional.linear(hidden.to(kind), self.token_embd.weight.to(kind))

    def losses(self, hidden: Tensor, target: Tensor) -> Tensor:
        """The loss of each target token, [tokens]."""
        kind = self.how.kind
        return self.how.kernels.surprise(hidden.to(kind), self.token_embd.weight.to(kind), target)

    @property
    def size(self) -> int:
        """Parameters that are exported."""
        return sum(
            weight.numel() for name, weight in self.named_parameters() if not name.startswith("line_right")
        )


def begin_copying(network: Network) -> None:
    """Let two heads begin as an induction head: it says what followed the last time that a token stood there.

    Plans are carried out and names are fetched by it, and networks of this size find it late (Olsson et al.,
    arXiv 2209.11895). A head of the first block reads the token before, by place alone; one of the second
    looks for places after its own token's like.
    """
    first, second = network.blk[0], network.blk[1]
    width, half = network.shape.width, HEAD // 2
    axes = torch.zeros(width - 1, width)
    axes[:, 1:] = torch.linalg.qr(torch.randn(width - 1, width - 1))[0]
    own, before = axes[:half], axes[half:HEAD]  # where a token writes itself, and the one before it
    network.token_embd.weight[:, 0] = 0.08  # what all tokens share: it asks for places

    fast = torch.tensor([0.5, 0.25, 0.15, 0.1]).sqrt()
    angles = ROPE_BASE ** (-torch.arange(len(fast)) / half)
    ask, answer = torch.zeros(HEAD), torch.zeros(HEAD)
    ask[: len(fast)] = fast
    answer[: len(fast)], answer[half : half + len(fast)] = fast * angles.cos(), fast * angles.sin()
    for projection, wanted in ((first.attn_q, ask), (first.attn_k, answer)):
        projection.weight[:HEAD] *= 0.1
        projection.weight[:HEAD, 0] = wanted
    first.attn_q_norm.weight[[*range(len(fast)), *range(half, half + len(fast))]] = 3.0
    first.attn_v.weight[:half] = own
    first.attn_output.weight[:, :half] = 0.02 * before.T

    slow = [*range(half // 2, half), *range(half + half // 2, HEAD)]  # these hardly turn with the distance
    for projection, wanted in ((second.attn_q, own), (second.attn_k, before)):
        projection.weight[:HEAD] *= 0.1
        projection.weight[slow] = wanted
    second.attn_q_norm.weight[slow] = 2.0
    second.attn_v.weight[:HEAD] = axes[-HEAD:]
    second.attn_output.weight[:, :HEAD] = 0.05 * axes[-HEAD:].T
