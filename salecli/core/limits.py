"""What an agent writes in an auction and after it, and how long a winner may work."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Phase = Literal["bid", "refine", "work"]
"""What an agent writes. For a mark it writes nothing: that is read from one distribution."""


@dataclass(frozen=True, slots=True)
class WorkLimits:
    """When work ends without success."""

    steps: int = 30
    tokens: int = 16_000
    """Generated tokens of all replies."""
    seconds: float = 600.0
    """Those in which the user let the work stand still are not counted."""
    format_errors: int = 3
    """Replies in a row without a valid action."""
    repeats: int = 3
    """Times that the very same action may come."""
