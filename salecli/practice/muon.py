"""The Muon optimizer in a type of one's choice.

PyTorch's own computes in bfloat16, which most CPUs have to emulate: there, its steps took longer than the
gradients. Imported only by training: it needs the extra `train`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

_STEPS = ((3.4445, -4.7750, 2.0315),) * 5
"""Coefficients of the quintic iteration, as Keller Jordan published it."""


def orthogonal(x: Tensor, kind: torch.dtype = torch.float32) -> Tensor:
    """The nearest orthogonal matrices, roughly: every singular value comes to lie between 0.7 and 1.2.

    x is [matrices, rows, columns] with at most as many rows as columns.
    """
    x = (x / x.norm(dim=(1, 2), keepdim=True).clamp(min=1e-7)).to(kind)
    for a, b, c in _STEPS:
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x


class Muon(torch.optim.Optimizer):  # type: ignore[misc]
    """Momentum whose steps are made orthogonal; for the matrices between a network's layers."""

    def __init__(
        self,
        matrices: Iterable[nn.Parameter],
        lr: float,
        momentum: float,
        weight_decay: float,
        kind: torch.dtype = torch.float32,
    ) -> None:
        super().__init__(matrices, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})
        self._kind = kind

    def step(self) -> None:
        """One step; matrices of one shape, or of its transpose, are computed together."""
        with torch.no_grad():
            for group in self.param_groups:
                self._step(group)

    def _step(self, group: dict[str, Any]) -> None:
        alike: dict[tuple[int, ...], list[tuple[Tensor, Tensor]]] = {}
        for weight in group["params"]:
            if weight.grad is None:
                continue
            state = self.state[weight]
            if not state:
                state["mean"] = torch.zeros_like(weight)
            mean = state["mean"].lerp_(weight.grad, 1 - group["momentum"])
            ahead = weight.grad.lerp(mean, group["momentum"])
            wide = ahead if ahead.shape[0] <= ahead.shape[1] else ahead.mT
            alike.setdefault(tuple(wide.shape), []).append((weight, wide))
        for pairs in alike.values():
            steps = orthogonal(torch.stack([wide for _, wide in pairs]), self._kind)
            for (weight, _), found in zip(pairs, steps, strict=True):
                rows, columns = weight.shape
                weight.mul_(1 - group["lr"] * group["weight_decay"])
                by = group["lr"] * math.sqrt(max(1.0, rows / columns))
                weight.sub_(found if rows <= columns else found.mT, alpha=by)
