"""How a pool says that its models are sampled, and how long they may think."""

from __future__ import annotations

from typing import Annotated, Any, get_args

from pydantic import BeforeValidator, Field

from salecli.checked import Section
from salecli.core.limits import Phase

PHASES: tuple[Phase, ...] = get_args(Phase)
Share = Annotated[float, Field(ge=0, le=1)]


class Think(Section):
    """Most tokens of thinking in each phase; 0 switches it off. For a mark nobody thinks."""

    bid: Annotated[int, Field(ge=0)] = 0
    refine: Annotated[int, Field(ge=0)] = 0
    work: Annotated[int, Field(ge=0)] = 0


def _each_phase(value: object) -> object:
    if isinstance(value, int) and not isinstance(value, bool):
        return dict.fromkeys(Think.model_fields, value)
    if isinstance(value, Think | dict):
        return value
    raise ValueError(f"must be a whole number, or a table of {', '.join(Think.model_fields)}")


class Sampling(Section):
    """How an agent's model is sampled; Qwen's values, in phases with thinking those for its thinking mode."""

    temperature: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.7
    top_p: Share = 0.8
    top_k: Annotated[int, Field(ge=0)] = 20
    think: Annotated[Think, BeforeValidator(_each_phase)] = Think()
    """Most tokens of thinking before an answer, of every phase or of each; 0 switches thinking off."""

    def of(self, phase: Phase) -> dict[str, Any]:
        """How a phase is sampled, in the words of `Limits`."""
        think = getattr(self.think, phase)
        said = self.model_fields_set
        own = {name: getattr(self, name) for name in THINKING if name in said or not think}
        return {**THINKING, **own, "think": think}

    def identity(self) -> dict[str, Any]:
        """What of it shapes bids and works."""
        by_phase: dict[str, Any] = {phase: self.of(phase) for phase in PHASES}
        if any(phase["think"] for phase in by_phase.values()):
            return by_phase
        return {**self.model_dump(mode="json"), "think": 0}


THINKING = {"temperature": 0.6, "top_p": 0.95, "top_k": 20}
"""Qwen's values for the thinking mode, where a pool says nothing of its own."""
