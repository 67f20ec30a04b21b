"""What can go wrong in a model's process, as exceptions; `llama_refusal` says it to the user."""

from __future__ import annotations

from typing import Any


class NativeError(Exception):
    """llama.cpp refused something."""


class Cancelled(Exception):
    """The parent wants the job to end."""


class Refused(Exception):
    """A request that cannot be met; `fields` go to the parent."""

    def __init__(self, error: str, **fields: Any) -> None:
        super().__init__(error)
        self.fields = {"error": error, **fields}
