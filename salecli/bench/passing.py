"""A model that stands before another one: what measurements put between an agent and its model."""

from __future__ import annotations

from salecli.core.calls import Loaded
from salecli.core.ports import Model


class Passing:
    """Passes on what is asked of a model, but for its work, which is its heirs' to define."""

    def __init__(self, model: Model) -> None:
        self._model = model

    @property
    def vocabulary(self) -> int:
        """The model's own."""
        return self._model.vocabulary

    @property
    def size(self) -> int:
        """The model's own."""
        return self._model.size

    @property
    def loaded(self) -> bool:
        """The model's own."""
        return self._model.loaded

    def load(self) -> Loaded | None:
        """The model's own."""
        return self._model.load()

    def preload(self) -> None:
        """The model's own."""
        self._model.preload()

    def cancel(self) -> None:
        """The model's own."""
        self._model.cancel()
