"""What servers answer, by the documented shapes of their APIs: a tiny model that counts to three and ends.

No vLLM and no Ollama runs here: their answers were written down from their documentation.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from tests.endpoints.servers import Answer, Body, as_events, as_json

Script = dict[str, Callable[[Body], Answer]]
KNOWN = {"<|im_start|>": 1, "<|im_end|>": 2, "<think>": 3, "</think>": 4}
LETTERS = 10
"""Ids of characters begin here: a token each."""
SAID = "123"


def number(letter: str) -> int:
    return LETTERS + ord(letter)


def ids(text: str, special: bool) -> list[int]:
    if special and text in KNOWN:
        return [KNOWN[text]]
    return [number(letter) for letter in text]


def distribution(first: str, share: float = 0.8) -> dict[str, float]:
    """Log-probabilities: `share` for one digit, half of the rest for the others; the other half is hidden."""
    others = [digit for digit in "012345" if digit != first]
    rest = math.log((1 - share) / 2 / len(others))
    return {first: math.log(share), **dict.fromkeys(others, rest)}


def entry(letter: str, with_ids: bool) -> dict[str, Any]:
    """A token as llama-server and the chats list it."""
    top = [
        {
            "token": name,
            "logprob": value,
            "bytes": list(name.encode()),
            **({"id": number(name)} if with_ids else {}),
        }
        for name, value in distribution(letter).items()
    ]
    return {**top[0], "top_logprobs": top}


def usage(prompt: int, generated: int, cached: int = 0) -> dict[str, Any]:
    return {
        "prompt_tokens": prompt,
        "completion_tokens": generated,
        "total_tokens": prompt + generated,
        "prompt_tokens_details": {"cached_tokens": cached},
    }


def listed(owner: str, *names: str, **more: Any) -> Callable[[Body], Answer]:
    data = [{"id": name, "object": "model", "created": 1, "owned_by": owner, **more} for name in names]
    return lambda body: as_json({"object": "list", "data": data})


def llama(vocabulary: int = 500, name: str = "tiny") -> Script:
    """llama-server: completions list token ids, /tokenize takes special tokens."""

    def completions(body: Body) -> Answer:
        prompt = len(body["prompt"])
        if body.get("n_predict") == 0:
            return as_json(
                {"choices": [{"text": "", "index": 0, "finish_reason": "length"}], "timings": {"prompt_n": 1}}
            )

        def part(letter: str) -> dict[str, Any]:
            content = {"content": [entry(letter, with_ids=True)]}
            return {"choices": [{"text": letter, "index": 0, "logprobs": content, "finish_reason": None}]}

        if not body.get("stream"):
            return as_json({**part("4"), "usage": usage(prompt, 1, prompt - 1)})
        last = {"choices": [{"text": "", "index": 0, "logprobs": None, "finish_reason": "stop"}]}
        return as_events([*map(part, SAID), {**last, "usage": usage(prompt, 4)}])

    def tokenize(body: Body) -> Answer:
        return as_json({"tokens": ids(body["content"], body["parse_special"])})

    meta = {"meta": {"n_vocab": vocabulary, "n_ctx": 4096}}
    return {
        "/v1/models": listed("llamacpp", name, **meta),
        "/v1/completions": completions,
        "/tokenize": tokenize,
    }


def vllm(most: int = 20, knows_ids: bool = True) -> Script:
    """vLLM: parallel lists, tokens as "token_id:N" where asked for, at most `most` log-probabilities."""

    def completions(body: Body) -> Answer:
        if body["logprobs"] > most:
            said = (
                f"Requested sample logprobs of {body['logprobs']}, which is greater than max allowed: {most}"
            )
            return as_json({"error": {"message": said, "type": "BadRequestError", "code": 400}}, 400)

        def part(letter: str, top: Mapping[str, float]) -> dict[str, Any]:
            named = {f"token_id:{number(name)}": value for name, value in top.items()}
            lists = {
                "text_offset": [0],
                "tokens": [f"token_id:{number(letter)}"],
                "token_logprobs": [top[letter]],
                "top_logprobs": [named],
            }
            return {"choices": [{"index": 0, "text": letter, "logprobs": lists, "finish_reason": None}]}

        prompt = len(body["prompt"])
        if not body.get("stream"):
            top = distribution("4")
            if not (knows_ids and "logprob_token_ids" in body):
                top = dict(list(top.items())[:3])
            return as_json({**part("4", top), "usage": usage(prompt, 1)})
        last = {"choices": [{"index": 0, "text": "", "logprobs": None, "finish_reason": "stop"}]}
        return as_events(
            [
                *(part(one, distribution(one)) for one in SAID),
                last,
                {"choices": [], "usage": usage(prompt, 4)},
            ]
        )

    def tokenize(body: Body) -> Answer:
        found = ids(body["prompt"], special=True)
        return as_json({"count": len(found), "max_model_len": 4096, "tokens": found})

    models = listed("vllm", "Qwen/Qwen3-14B", max_model_len=32_768)
    return {"/v1/models": models, "/v1/completions": completions, "/tokenize": tokenize}


def ollama() -> Script:
    """Ollama: chats only, tokens as text, at most 20 log-probabilities."""

    def chat(body: Body) -> Answer:
        def part(letter: str, key: str) -> dict[str, Any]:
            content = {"content": [entry(letter, with_ids=False)]}
            message = {"role": "assistant", "content": letter}
            return {"choices": [{"index": 0, key: message, "logprobs": content, "finish_reason": None}]}

        assert body["top_logprobs"] <= 20
        if not body.get("stream"):
            return as_json({**part("4", "message"), "usage": usage(30, 1)})
        last = {"choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "stop"}]}
        return as_events(
            [*(part(one, "delta") for one in SAID), last, {"choices": [], "usage": usage(30, 3)}]
        )

    return {
        "/v1/models": listed("library", "qwen3:4b"),
        "/api/version": lambda body: as_json({"version": "0.12.11"}),
        "/v1/chat/completions": chat,
    }
