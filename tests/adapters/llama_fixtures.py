"""Model files for the tests of the llama adapter, built once per session, and loaded models."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from salecli.adapters.llama import LlamaModel
from salecli.core.calls import Limits, Token, Turn, Usage
from tests.models import Shape, Vocabulary, chain, chain_model, random_model

LONG = "-" * 40
OPEN = Turn("assistant", "")


def drain(model: LlamaModel, turns: list[Turn], limits: Limits) -> tuple[list[Token], Usage]:
    """All tokens of a stream, and what it returned."""
    stream, tokens = model.stream(turns, limits), []
    while True:
        try:
            tokens.append(next(stream))
        except StopIteration as stop:
            return tokens, stop.value


@pytest.fixture(scope="session")
def llama_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="session")
def llama_random(llama_folder: Path) -> Path:
    """A file of random weights: every token of the prompt counts."""
    return random_model(llama_folder / "random.gguf", vocabulary=Vocabulary(size=600))


@pytest.fixture(scope="session")
def llama_thinking(llama_folder: Path) -> Path:
    """Random weights and a vocabulary that knows thinking."""
    return random_model(llama_folder / "thinking.gguf", vocabulary=Vocabulary(think=True))


@pytest.fixture(scope="session")
def llama_slow(llama_folder: Path) -> Path:
    """A file whose full context takes many seconds to evaluate."""
    shape = Shape(width=512, blocks=6, heads=8, kv_heads=8, head=64, hidden=2048, context=8192)
    return random_model(llama_folder / "slow.gguf", shape=shape)


@pytest.fixture
def llama(request: pytest.FixtureRequest) -> Iterator[Callable[..., LlamaModel]]:
    """Makes models that are closed at the test's end."""
    models: list[LlamaModel] = []

    def make(file: Path, **options: object) -> LlamaModel:
        models.append(LlamaModel(file, **options))  # type: ignore[arg-type]
        return models[-1]

    yield make
    for model in models:
        model.close()


@pytest.fixture
def llama_chain(tmp_path: Path, llama: Callable[..., LlamaModel]) -> Callable[..., LlamaModel]:
    """Makes a model that continues an empty answer with the given tokens, then ends its turn."""

    def make(*tokens: str | bytes, think: bool = False, **options: object) -> LlamaModel:
        first = "\n\n" if think else "\n"
        file = chain_model(
            tmp_path / "chain.gguf", chain(first, *tokens, "<|im_end|>"), vocabulary=Vocabulary(think=think)
        )
        return llama(file, **options)

    return make
