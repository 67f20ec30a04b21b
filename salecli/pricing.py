"""What an agent's tokens cost: the price that its pool says, or the machine time that they take here."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from salecli.errors import ModelError
from salecli.pool import model_identity

if TYPE_CHECKING:
    from salecli.pool import AgentSpec


@dataclass(frozen=True, slots=True)
class Price:
    """What an agent takes."""

    usd: float | None
    """Per million tokens; None where it goes by time and nothing was measured."""
    seconds: float = 0.0
    """Per written token on this machine; 0 where that was not measured."""


def price_of(agent: AgentSpec, hour: float) -> Price:
    """An agent's price, where an hour of this machine costs `hour` USD.

    A price of "time" is `in_usd` of its measured decode speed.

    Written tokens are what is measured, not those of prompts: a plan is written, and so is a work. As with
    any price of a pool, prompt tokens cost the same, though they take less time.
    """
    from salecli.adapters import measured

    # A server's speed is not this machine's; its price is always a number.
    found = None if agent.remote else measured.read(model_identity(agent.path))
    seconds = found.decode if found is not None else 0.0
    if agent.price != "time":
        return Price(agent.price, seconds)
    return Price(in_usd(seconds, hour) if seconds else None, seconds)


def in_usd(seconds: float, hour: float) -> float:
    """USD per million tokens of `seconds` each, where an hour of the machine costs `hour` USD."""
    return seconds * 1e6 * hour / 3600


def unmeasured(agent: AgentSpec, pool: str) -> ModelError:
    """The fault of an agent whose price goes by a time that nobody measured."""
    return ModelError(
        f"agent {agent.name} of pool {pool} is priced by time, which was not measured on this machine",
        measuring(pool),
    )


def measuring(pool: str) -> str:
    """The command that measures what a pool's agents take, as a shell reads it."""
    return f"sale models bench --pool {shlex.quote(pool)}"
