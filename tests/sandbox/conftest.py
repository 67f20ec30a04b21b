"""One sandbox for all attacks of a module; after each it has to be usable, and this machine unharmed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.sandbox.place import Place


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """The module's sandbox."""
    place = Place(tmp_path_factory.mktemp("attacked"))
    yield place
    place.close()


@pytest.fixture
def place(attacked: Place) -> Iterator[Place]:
    """The module's sandbox for one attack; proof is taken afterwards that no harm was done."""
    attacked.watch()
    yield attacked
    attacked.unharmed()
