"""Models on scripted servers, closed at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from salecli.adapters.endpoint import EndpointModel
from salecli.adapters.endpoint_line import Address, Line
from tests.endpoints.scripts import Script
from tests.endpoints.servers import Scripted

Serve = Callable[[Script], Scripted]
Reach = Callable[..., EndpointModel]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts a scripted server."""
    with ExitStack() as stack:

        def start(script: Script) -> Scripted:
            server = Scripted(script)
            stack.callback(server.close)
            return server

        yield start


@pytest.fixture
def reach() -> Iterator[Reach]:
    """A model at an address; waits are short, and nothing is asked twice unless a test says so."""
    with ExitStack() as stack:

        def open_(url: str, model: str = "tiny", **wishes: Any) -> EndpointModel:
            own = {name: wishes.pop(name) for name in ("top", "vocabulary", "context") if name in wishes}
            line = Line(Address(**{"name": "gpu", "url": url, "seconds": 1.0, "retries": 0, **wishes}))
            stack.callback(line.close)
            return EndpointModel(line, model, name="far", **own)

        yield open_
