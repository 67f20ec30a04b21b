"""Each kind of server by the documented shapes of its answers: tokens, entropies, marks, counts.

llama-server runs for real in test_served.py; of vLLM and Ollama only these recorded shapes are tested.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salecli.adapters.endpoint import EndpointModel
from salecli.adapters.endpoint_answers import entropy, shares
from salecli.core.calls import Limits, Token, Turn, Usage
from salecli.errors import ContextFull
from tests.endpoints.conftest import Reach, Serve
from tests.endpoints.scripts import KNOWN, distribution, entry, llama, number, ollama, vllm
from tests.endpoints.servers import Answer, Body, as_events

ASK = [Turn("user", "count"), Turn("assistant", "")]
PREFIX, ENDING = [Turn("user", "mark it")], [Turn("user", "a plan"), Turn("assistant", "Score: ")]
DIGITS = "012345"


def drained(model: EndpointModel, limits: Limits, turns: Sequence[Turn] = ASK) -> tuple[list[Token], Usage]:
    tokens, stream = [], model.stream(turns, limits)
    while True:
        try:
            tokens.append(next(stream))
        except StopIteration as stop:
            return tokens, stop.value


def expected(model: EndpointModel) -> float:
    (choice,) = model.choose(PREFIX, [ENDING], DIGITS)
    return sum(digit * share for digit, share in enumerate(choice.probabilities))


def true_mark() -> float:
    shares_ = {digit: math.exp(value) for digit, value in distribution("4").items()}
    return sum(int(digit) * share for digit, share in shares_.items()) / sum(shares_.values())


def test_llama_server(serve: Serve, reach: Reach) -> None:
    server = serve(llama())
    model = reach(server.url)
    loaded = model.load()
    assert loaded is not None
    assert (loaded.vocabulary, loaded.context, loaded.bytes) == (500, 4096, 0)
    assert model.told() == ["its context is 4,096 tokens instead of 8,192: its server has no more"]
    tokens, usage = drained(model, Limits(max_tokens=9, temperature=0.0))
    assert [(token.id, token.text) for token in tokens] == [(number(one), one) for one in "123"]
    prompt = server.asked[-1][1]["prompt"]
    # Our own rendering, in ids: a turn's marks are tokens of their own.
    assert prompt[0] == 1
    assert prompt.count(2) == 1
    assert usage == Usage(len(prompt), len(prompt), 4, usage.seconds, "stop")
    assert expected(model) == pytest.approx(true_mark())
    asked = server.asked[-1][1]
    assert asked["n_probs"] == 500  # a small vocabulary as a whole
    # Before it the prefix alone, with another token behind it: what an ending gives depends on nothing else.
    before = server.asked[-2][1]
    assert before["n_predict"] == 0
    assert asked["prompt"][: len(before["prompt"]) - 1] == before["prompt"][:-1]


def test_vllm(serve: Serve, reach: Reach) -> None:
    server = serve(vllm())
    model = reach(server.url, "Qwen/Qwen3-14B", vocabulary=151_936)
    model.load()
    assert model.server is not None
    assert (model.server.kind, model.server.top, model.server.context) == (
        "vLLM",
        3,
        32_768,
    )  # as many as it told
    tokens, usage = drained(model, Limits(max_tokens=9))
    assert [(token.id, token.text) for token in tokens] == [(number(one), one) for one in "123"]
    assert all(token.spread > 0 for token in tokens)
    assert usage.generated == 4
    assert isinstance(server.asked[-1][1]["prompt"], list)
    # All six digits although three are in its top: they were asked for by their ids.
    assert expected(model) == pytest.approx(true_mark())
    assert server.asked[-1][1]["logprob_token_ids"] == [number(digit) for digit in DIGITS]
    assert model.told() == []


def test_a_vllm_that_knows_no_ids_says_that_marks_are_not_certain(serve: Serve, reach: Reach) -> None:
    model = reach(serve(vllm(knows_ids=False)).url, "Qwen/Qwen3-14B", vocabulary=151_936)
    assert expected(model) == pytest.approx(true_mark(), abs=0.15)
    assert ["beyond what its server tells" in note for note in model.told()] == [True]
    assert model.told() == []


def test_ollama(serve: Serve, reach: Reach) -> None:
    server = serve(ollama())
    model = reach(server.url, "qwen3:4b")
    tokens, usage = drained(model, Limits(max_tokens=9))
    assert "".join(token.text for token in tokens) == "123"
    assert all(token.spread > 0 for token in tokens)
    assert (usage.prompt, usage.generated, usage.end) == (30, 3, "stop")
    asked = server.asked[-1][1]
    assert [turn["role"] for turn in asked["messages"]] == ["user"]
    assert asked["reasoning_effort"] == "none"
    assert expected(model) == pytest.approx(true_mark())
    assert "vocabulary's size, 151,936 is assumed" in model.told()[0]


def test_a_key_goes_to_the_server_and_nowhere_else(serve: Serve, reach: Reach) -> None:
    server = serve(llama())
    model = reach(server.url, key="k-123456")
    model.load()
    assert {asked[2]["authorization"] for asked in server.asked} == {"Bearer k-123456"}
    assert "k-123456" not in repr(model) + repr(model.line) + repr(model.line.address)


def test_a_prompt_that_does_not_fit_is_not_sent(serve: Serve, reach: Reach) -> None:
    server = serve(llama())
    model = reach(server.url, context=256)
    model.load()
    with pytest.raises(ContextFull, match="the context of far is 256"):
        drained(model, Limits(), [Turn("user", "x" * 300), Turn("assistant", "")])
    assert not [path for path, _, _ in server.asked if path == "/v1/completions"]


def test_thoughts_are_capped_and_not_shown(serve: Serve, reach: Reach) -> None:
    server = serve(llama())
    tokens, usage = drained(reach(server.url), Limits(max_tokens=9, think=2))
    assert "".join(token.text for token in tokens) == "123"
    thought, answer = [body for path, body, _ in server.asked if path == "/v1/completions"]
    assert thought["max_tokens"] == 2
    assert thought["prompt"][-2:] == [3, number("\n")]
    # The thought is carried on as the tokens that it was made of, and closed.
    begun = len(thought["prompt"])
    assert answer["prompt"][:begun] == thought["prompt"]
    assert 4 in answer["prompt"][begun:]
    assert usage.generated > len(tokens)
    # Both requests are paid for: the first one's prompt, and what the second one evaluated.
    assert (usage.thoughts, usage.prompt) == (2, len(answer["prompt"]))
    assert usage.evaluated == len(thought["prompt"]) + len(answer["prompt"])


def test_the_prompt_of_a_thought_is_paid_for_as_llama_server_counts_it(serve: Serve, reach: Reach) -> None:
    """Of a thought that ended by itself: there the stream is left before its usage comes."""
    script = llama()
    plain = script["/v1/completions"]

    def thinking(body: Body) -> Answer:
        if not body.get("timings_per_token"):
            return plain(body)
        parts = [
            {"choices": [{"text": "", "logprobs": {"content": [{**entry("x", True), "id": id_}]}}]}
            for id_ in (number("x"), KNOWN["</think>"], number("y"))
        ]
        return as_events([{**part, "timings": {"prompt_n": 7}} for part in parts])

    script["/v1/completions"] = thinking
    server = serve(script)
    tokens, usage = drained(reach(server.url), Limits(max_tokens=9, think=5))
    assert "".join(token.text for token in tokens) == "123"
    answer = server.asked[-1][1]
    assert answer["prompt"][-4:-3] == [number("x")]
    assert (usage.thoughts, usage.evaluated) == (1, 7 + len(answer["prompt"]))


@given(st.lists(st.floats(0.0, 1.0, exclude_min=True), min_size=2, max_size=60), st.integers(1, 60))
def test_the_interval_holds_the_true_entropy(weights: list[float], known: int) -> None:
    total = sum(weights)
    probabilities = sorted((weight / total for weight in weights), reverse=True)
    probabilities = [max(one, 1e-300) for one in probabilities]
    true = -sum(one * math.log(one) for one in probabilities)
    middle, half = entropy([math.log(one) for one in probabilities[:known]], len(probabilities))
    assert middle - half - 1e-9 <= true <= middle + half + 1e-9
    assert known < len(probabilities) or half == 0


@given(st.lists(st.floats(1e-6, 1.0), min_size=12, max_size=40), st.integers(1, 12))
def test_what_is_hidden_of_the_digits_is_bounded(weights: list[float], known: int) -> None:
    total = sum(weights)
    whole = {place: weight / total for place, weight in enumerate(weights)}
    order = sorted(whole, key=whole.__getitem__, reverse=True)
    found = shares({place: math.log(whole[place]) for place in order[:known]}, range(6), len(whole))
    missing = [place for place in range(6) if place not in order[:known]]
    assert sum(whole[place] for place in missing) <= found.hidden + 1e-9
    for place in set(range(6)) - set(missing):
        assert found.of[place] == pytest.approx(whole[place])
