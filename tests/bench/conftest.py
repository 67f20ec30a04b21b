"""What all tests of the bench share."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def one_font_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """matplotlib looks through all fonts once for each cache folder, which would be each test's home."""
    monkeypatch.setenv("MPLCONFIGDIR", str(tmp_path_factory.getbasetemp() / "matplotlib"))
