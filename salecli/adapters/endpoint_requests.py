"""What is asked of each kind of server: continuations and next-token distributions, as request bodies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from salecli.adapters.endpoint_probe import Server
from salecli.core.calls import Limits, Turn


def completion(server: Server, ids: Sequence[int], limits: Limits, most: int) -> dict[str, Any]:
    """The body that continues a prompt of token ids by at most `most` tokens, sampled as in process."""
    body: dict[str, Any] = {
        "model": server.model,
        "prompt": list(ids),
        "max_tokens": most,
        "temperature": limits.temperature,
        "top_p": limits.top_p,
        "seed": limits.seed,
        "stream": True,
        "stream_options": {"include_usage": True},
        **_own(server, limits.top_k, server.top),
    }
    if server.kind == "vLLM":
        body["return_tokens_as_token_ids"] = True
    return body


def next_token(server: Server, ids: Sequence[int], top: int, options: Sequence[int]) -> dict[str, Any]:
    """The body that asks for the distribution of the one token after a prompt of token ids."""
    body: dict[str, Any] = {
        "model": server.model,
        "prompt": list(ids),
        "max_tokens": 1,
        "temperature": 0.0,
        **_own(server, 0, top),
    }
    if server.kind == "vLLM":
        body |= {"return_tokens_as_token_ids": True, "logprob_token_ids": list(options)}
    return body


def nothing(server: Server, ids: Sequence[int]) -> dict[str, Any]:
    """The body that has llama-server evaluate a prompt and generate nothing."""
    return {"model": server.model, "prompt": list(ids), "n_predict": 0, "cache_prompt": True}


def chat(server: Server, turns: Sequence[Turn], limits: Limits, most: int, stream: bool) -> dict[str, Any]:
    """The body that continues a chat by the server's own template."""
    body: dict[str, Any] = {
        "model": server.model,
        "messages": [{"role": turn.role, "content": turn.text} for turn in _spoken(turns)],
        "max_tokens": most,
        "temperature": limits.temperature,
        "top_p": limits.top_p,
        "seed": limits.seed,
        "logprobs": True,
        "top_logprobs": server.top,
    }
    if stream:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    if server.kind in ("llama-server", "vLLM"):
        body |= {"top_k": limits.top_k, "chat_template_kwargs": {"enable_thinking": limits.think > 0}}
    if server.kind == "vLLM" and body["messages"][-1]["role"] == "assistant":
        body |= {"continue_final_message": True, "add_generation_prompt": False}
    if server.kind == "Ollama" and not limits.think:
        body["reasoning_effort"] = "none"
    return body


def _spoken(turns: Sequence[Turn]) -> list[Turn]:
    """The turns without an open one that holds nothing yet: servers open it by themselves."""
    return [turn for turn in turns if turn is not turns[-1] or turn.role != "assistant" or turn.text]


def _own(server: Server, top_k: int, top: int) -> dict[str, Any]:
    """What the kinds of servers call differently; defaults that would bend the distribution are off."""
    if server.kind == "llama-server":
        return {
            "n_probs": top,
            "post_sampling_probs": False,
            "top_k": top_k,
            "min_p": 0.0,
            "repeat_penalty": 1.0,
            "samplers": ["top_k", "top_p", "temperature"],
            "cache_prompt": True,
        }
    return {"logprobs": top, "top_k": top_k or -1, "min_p": 0.0, "repetition_penalty": 1.0}
