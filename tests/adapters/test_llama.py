"""Streaming and choosing with real files in real processes."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from salecli.adapters import gguf_header
from salecli.adapters.llama import LlamaModel, threads_for
from salecli.adapters.machine import quota
from salecli.core.calls import Limits, Turn
from salecli.core.ports import Model
from salecli.errors import ContextFull, ModelError
from tests.adapters.llama_fixtures import LONG, OPEN, drain
from tests.models import Shape, Vocabulary, chain_model, random_model

Make = Callable[..., LlamaModel]
ASK = [Turn("user", "sort the list of 12 steps"), OPEN]
DIGITS = tuple("012345")


def text_of(model: LlamaModel, turns: list[Turn] = ASK, limits: Limits | None = None) -> str:
    return "".join(token.text for token in drain(model, turns, limits or Limits(max_tokens=40))[0])


def test_fits_the_port_and_loads_once(llama: Make, llama_random: Path) -> None:
    model: Model = llama(llama_random, context=512)
    loaded = model.load()
    assert loaded is not None
    assert (loaded.file, loaded.context, loaded.vocabulary) == (str(llama_random), 512, 600)
    assert loaded.bytes > llama_random.stat().st_size
    assert loaded.seconds > 0
    assert model.load() is None


def test_long_tokens_and_split_characters_arrive_whole(llama_chain: Make) -> None:
    """Tokens of more than 32 bytes, and characters whose bytes come in several tokens."""
    model = llama_chain("x", LONG, b"\xc3", b"\xbc", "日", b"\xe2", b"\x82", b"\xac", "y")
    tokens, usage = drain(model, ASK, Limits(max_tokens=40))
    assert [token.text for token in tokens] == ["x", LONG, "", "ü", "日", "", "", "€", "y"]
    assert (usage.end, usage.generated) == ("stop", 9)


def test_a_character_that_is_cut_off_is_marked(llama_chain: Make) -> None:
    model = llama_chain("x", b"\xc3", b"\xbc")
    tokens, usage = drain(model, ASK, Limits(max_tokens=2))
    assert [token.text for token in tokens] == ["x", "\N{REPLACEMENT CHARACTER}"]
    assert usage.end == "length"


def test_entropy_of_a_uniform_distribution_is_the_logarithm_of_the_vocabulary(
    llama: Make, tmp_path: Path
) -> None:
    model = llama(chain_model(tmp_path / "uniform.gguf", {}, vocabulary=Vocabulary(size=500)))
    tokens, _ = drain(model, ASK, Limits(max_tokens=5, top_k=0, top_p=1.0, temperature=1.0))
    for token in tokens:
        assert token.entropy == pytest.approx(math.log(500), abs=1e-5)
        assert token.logprob == pytest.approx(-math.log(500), abs=1e-5)


def test_entropy_at_the_size_of_a_real_vocabulary() -> None:
    """float32 in place against float64; tokens that are ruled out count for nothing."""
    import numpy as np

    from salecli.adapters.llama_measures import Measures

    rng = np.random.default_rng(0)
    for scale, ruled_out in ((0.5, 0), (3.0, 0), (12.0, 0), (3.0, 1000)):
        logits = (rng.standard_normal(151_936) * scale + 20).astype(np.float32)
        logits[:ruled_out] = -np.inf
        kept = logits[ruled_out:].astype(np.float64)
        shares = np.exp(kept - kept.max())
        shares /= shares.sum()
        measures = Measures(len(logits))
        for _ in range(measures.room):
            measures.take(logits)
        found = measures.figures([ruled_out + 5] * measures.room)
        assert measures.held == 0
        assert len(set(found)) == 1
        assert found[0][0] == pytest.approx(-(shares * np.log(shares)).sum(), abs=2e-5)
        assert found[0][1] == pytest.approx(np.log(shares[5]), abs=2e-5)


def test_what_a_failed_stream_left_behind_does_not_change_a_mark() -> None:
    import numpy as np

    from salecli.adapters.llama_measures import Measures

    measures = Measures(3)
    measures.take(np.array([5.0, 0.0, 0.0], np.float32))
    logits = np.log(np.array([0.5, 0.3, 0.2], np.float32))
    assert measures.probabilities(logits, [1, 2]) == pytest.approx([0.3, 0.2])
    assert measures.held == 0


def test_prompt_entropy_and_choice_agree_with_llama_cpp_alone(llama: Make, llama_random: Path) -> None:
    """Against llama-cpp-python's own tokenizer and logits, in float64."""
    import llama_cpp
    import numpy as np

    bare = llama_cpp.Llama(str(llama_random), n_ctx=512, n_threads=1, flash_attn=True, verbose=False)
    text = "<|im_start|>user\nsort the list of 12 steps<|im_end|>\n<|im_start|>assistant\n"
    ids = bare.tokenize(text.encode(), add_bos=False, special=True)
    bare.eval(ids)
    view = np.ctypeslib.as_array(llama_cpp.llama_get_logits_ith(bare.ctx, -1), shape=(bare.n_vocab(),))
    shares = np.exp(view.astype(np.float64) - float(view.max()))
    shares /= shares.sum()
    entropy = float(-(shares * np.log(shares)).sum())
    digits = [float(shares[bare.tokenize(digit.encode(), add_bos=False)[0]]) for digit in DIGITS]
    best = int(shares.argmax())
    bare.close()

    model = llama(llama_random, context=512)
    (token,), usage = drain(model, ASK, Limits(max_tokens=1, temperature=0.0))
    assert usage.prompt == len(ids)
    assert token.id == best
    assert token.entropy == pytest.approx(entropy, abs=1e-3)
    assert token.logprob == pytest.approx(math.log(shares[best]), abs=1e-3)
    (choice,) = model.choose(ASK[:1], [[OPEN]], DIGITS)
    assert choice.mass == pytest.approx(sum(digits), rel=1e-2)
    assert choice.probabilities == pytest.approx([digit / sum(digits) for digit in digits], abs=1e-2)
    assert sum(choice.probabilities) == pytest.approx(1)


def test_the_same_seed_gives_the_same_tokens_whatever_was_cached(llama: Make, llama_random: Path) -> None:
    limits = Limits(max_tokens=24, temperature=1.0, top_p=1.0, top_k=0, seed=7)
    model = llama(llama_random, context=512)
    first = drain(model, ASK, limits)
    again = drain(model, ASK, limits)
    assert again[0] == first[0]
    assert (first[1].evaluated, again[1].evaluated) == (first[1].prompt, 1)
    drain(model, [Turn("user", "another prompt"), OPEN], limits)
    ids = [token.id for token in first[0]]
    assert [token.id for token in drain(model, ASK, limits)[0]] == ids
    other = Limits(max_tokens=24, temperature=1.0, top_p=1.0, top_k=0, seed=8)
    assert [token.id for token in drain(model, ASK, other)[0]] != ids


@pytest.mark.parametrize("seed", [0xFFFFFFFF, -1, 2**40])
def test_no_seed_means_a_random_one(llama: Make, llama_random: Path, seed: int) -> None:
    model = llama(llama_random, context=512)
    limits = Limits(max_tokens=16, temperature=1.0, top_p=1.0, top_k=0, seed=seed)
    assert text_of(model, ASK, limits) == text_of(model, ASK, limits)


def test_the_transcript_is_never_evaluated_twice(llama: Make, llama_thinking: Path) -> None:
    model = llama(llama_thinking, context=1024)
    turns, held = list(ASK), 0
    for number in range(4):
        tokens, usage = drain(model, turns, Limits(max_tokens=12, seed=number))
        assert usage.evaluated == usage.prompt - held
        held = usage.prompt + len(tokens) - (usage.end == "length")
        said = Turn("assistant", "".join(token.text for token in tokens), tuple(token.id for token in tokens))
        turns = [*turns[:-1], said, Turn("user", f"tests failed: step {number}"), OPEN]


def test_max_tokens_and_the_context_end_a_generation(llama: Make, llama_random: Path) -> None:
    model = llama(llama_random, context=64)
    tokens, usage = drain(model, ASK, Limits(max_tokens=3, seed=1))
    assert (len(tokens), usage.generated, usage.end) == (3, 3, "length")
    tokens, usage = drain(model, ASK, Limits(max_tokens=1000, temperature=0.0))
    assert usage.end == "length"
    # The last token needs no place of its own: nothing follows it.
    assert usage.prompt + len(tokens) == 64 + 1
    assert drain(model, ASK, Limits(max_tokens=0))[0] == []


def test_a_prompt_that_does_not_fit_is_refused_with_numbers(llama: Make, llama_random: Path) -> None:
    model = llama(llama_random, context=64)
    long = [Turn("user", "filter " * 80), OPEN]
    with pytest.raises(ContextFull, match=r"takes \d+ tokens, the context of random\.gguf is 64") as caught:
        drain(model, long, Limits())
    assert "2048" in caught.value.hint
    with pytest.raises(ContextFull):
        model.choose(long[:1], [[OPEN]], DIGITS)
    assert drain(model, ASK, Limits(max_tokens=2))[1].generated == 2


def test_choose_evaluates_the_prefix_once_and_each_ending_on_its_own(llama: Make, llama_random: Path) -> None:
    prefix = [Turn("system", "judge"), Turn("user", "sort the list, then filter")]
    endings = [[Turn("user", f"plan {word}"), Turn("assistant", "Score: ")] for word in ("a", "sort x", "a")]
    model = llama(llama_random, context=512)
    together = model.choose(prefix, endings, DIGITS)
    evaluated = [choice.usage.evaluated for choice in together]
    prompts = [choice.usage.prompt for choice in together]
    shared = prompts[1] - evaluated[1]
    assert evaluated[0] == prompts[0]
    assert evaluated[1:] == [prompt - shared for prompt in prompts[1:]]
    assert together[0].probabilities == together[2].probabilities
    alone = llama(llama_random, context=512).choose(prefix, endings[1:2], DIGITS)
    assert alone[0].probabilities == together[1].probabilities
    assert together[0].probabilities != together[1].probabilities
    assert model.choose(prefix, endings[:1], DIGITS)[0].usage.evaluated == evaluated[0] - shared


def test_choose_says_which_option_is_no_single_token(llama: Make, llama_random: Path) -> None:
    model = llama(llama_random)
    with pytest.raises(ModelError, match=r"'10' is 2 tokens for random\.gguf"):
        model.choose(ASK[:1], [[OPEN]], ["1", "10"])
    assert model.choose(ASK[:1], [], DIGITS) == []
    with pytest.raises(ValueError, match="at least one turn"):
        model.choose(ASK[:1], [[]], DIGITS)


def test_a_second_call_from_the_streaming_thread_is_an_error_and_no_deadlock(
    llama: Make, llama_random: Path
) -> None:
    model = llama(llama_random)
    stream = model.stream(ASK, Limits(max_tokens=50))
    next(stream)
    with pytest.raises(ModelError, match="still streaming"):
        model.choose(ASK[:1], [[OPEN]], DIGITS)
    stream.close()
    assert len(model.choose(ASK[:1], [[OPEN]], DIGITS)) == 1


def test_threads_take_turns_on_one_model(llama: Make, llama_random: Path) -> None:
    model = llama(llama_random, context=512)
    prompts = [[Turn("user", f"step {number}"), OPEN] for number in range(6)]
    limits = Limits(max_tokens=20, temperature=0.0)
    expected = [text_of(model, prompt, limits) for prompt in prompts]
    found: dict[int, str] = {}

    def work(number: int) -> None:
        found[number] = text_of(model, prompts[number], limits)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [found[number] for number in range(6)] == expected


def test_odd_text_is_taken_as_it_is(llama: Make, llama_random: Path) -> None:
    """Lone surrogates, NUL, and nothing at all."""
    model = llama(llama_random)
    for text in ("\ud800 x", "a\0b", "", "\n\n\n", "🙂" * 20):
        assert drain(model, [Turn("user", text), OPEN], Limits(max_tokens=2))[1].prompt > 0


def test_damaged_weights_are_named(llama: Make, tmp_path: Path) -> None:
    file = random_model(tmp_path / "nan.gguf", shape=Shape(blocks=1))
    data = bytearray(file.read_bytes())
    data[-64:] = b"\xff" * 64  # the end of output_norm, as NaN
    file.write_bytes(data)
    with pytest.raises(ModelError, match=r"nan\.gguf.*not finite"):
        drain(llama(file), ASK, Limits(max_tokens=2))


def test_threads_suit_the_model_and_the_machine(llama_random: Path, tmp_path: Path) -> None:
    assert threads_for(gguf_header.read(llama_random)) == 1
    assert quota(tmp_path) > 1000
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu/cpu.cfs_quota_us").write_text("-1\n")
    (tmp_path / "cpu/cpu.cfs_period_us").write_text("100000\n")
    assert quota(tmp_path) > 1000
    (tmp_path / "cpu.max").write_text("250000 100000\n")
    assert quota(tmp_path) == 2
