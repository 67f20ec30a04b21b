"""Fixtures of the adapters' tests."""

from tests.adapters.llama_fixtures import (  # noqa: F401 - fixtures work by being here
    llama,
    llama_chain,
    llama_folder,
    llama_random,
    llama_slow,
    llama_thinking,
)
