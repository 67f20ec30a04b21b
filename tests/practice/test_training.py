"""Training and export: what llama.cpp evaluates is what was trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from salecli import resources
from salecli.practice.render import SPECIAL, Prompts, chat, opened
from salecli.practice.tasks.curriculum import practice
from salecli.practice.train import BATCHES, SHARES, lanes

gguf = pytest.importorskip("gguf")
pytest.importorskip("torch")
pytest.importorskip("tokenizers")
AGENTS = ("xs", "s", "m", "l")


def llama(path: Path) -> Any:
    """The file in llama.cpp itself, in this process: these models are tiny and known."""
    import llama_cpp

    return llama_cpp.Llama(str(path), n_ctx=1024, n_threads=1, verbose=False, use_mmap=False)


def some_turns() -> list[Any]:
    prompts = Prompts()
    turns: list[Any] = []
    for level, seed in ((1, 3), (4, 3)):
        given = practice(level, seed)
        turns += [
            prompts.bid(given.task),
            prompts.judge(given.task, given.plan),
            prompts.work(given.task, given.plan),
        ]
    return turns


def strings(path: Path, key: str) -> list[str]:
    field = gguf.GGUFReader(path).fields[key]
    return [bytes(field.parts[at]).decode() for at in field.data]


@pytest.mark.parametrize("agent", AGENTS)
def test_the_shipped_files_tokenise_as_the_trainer_does(agent: str) -> None:
    from salecli.practice import tokenizer as tokenizers

    path = resources.pools() / f"practice-{agent}.gguf"
    tokens = strings(path, "tokenizer.ggml.tokens")
    tokenizer = tokenizers.of_parts(tokens, strings(path, "tokenizer.ggml.merges"))
    assert tuple(tokens[: len(SPECIAL)]) == SPECIAL
    model = llama(path)
    texts = [f"{turn.role}\n{turn.text}" for turns in some_turns() for turn in turns]
    for text in [*texts, "\n", "naïve 日本 €1,234.50\t\r\n  x''' ```", "".join(map(chr, range(1, 128)))]:
        ids = tokenizer.encode(text, add_special_tokens=False).ids
        assert model.tokenize(text.encode(), add_bos=False, special=False) == ids
        assert tokenizer.decode(ids, skip_special_tokens=False) == text
    model.close()


def test_the_shipped_pool_is_small() -> None:
    sizes = [(resources.pools() / f"practice-{agent}.gguf").stat().st_size for agent in AGENTS]
    assert sizes == sorted(sizes)
    assert sum(sizes) <= 15_000_000


def test_queues_are_equally_long() -> None:
    queues = lanes(AGENTS, 60, 2)
    assert [sum(minutes for _, minutes in queue) for queue in queues] == pytest.approx([60, 60], rel=0.05)
    assert (
        sorted(agent for queue in queues for agent, _ in queue)
        == sorted(AGENTS)
        == sorted(BATCHES)
        == sorted(SHARES)
    )
    assert lanes(["xs"], 3, 2) == [[("xs", 3)]]


def test_a_batch_shows_every_branch_its_beginning_and_itself_alone() -> None:
    """The packed layout gives the same hidden states as each branch written out as a plain sequence."""
    import torch

    from salecli.practice.examples import Examples
    from salecli.practice.network import Network, Shape, line
    from salecli.practice.packing import joined

    def encode(text: str) -> list[int]:
        return [byte + len(SPECIAL) for byte in text.encode()]

    torch.manual_seed(0)
    network = Network(Shape(64, 2, 4, 2, 64), 259)
    for weight in network.parameters():
        torch.nn.init.normal_(weight, std=0.1)
    examples = Examples("m", encode, frozenset(encode("\n")), 0)
    trees = [examples.tree() for _ in range(2)]
    with torch.no_grad():
        layout = joined(trees, "cpu").layout
        packed = network(layout)
        assert layout.last is not None
        assert layout.last.tokens is not None
        place = {int(token): at for at, token in enumerate(layout.last.tokens)}
        start = 0
        for tree in trees:
            begun = [one for one, branch in zip(tree.ids, tree.branch, strict=True) if branch == 0]
            for number in range(1, max(tree.branch) + 1):
                at = [index for index, branch in enumerate(tree.branch) if branch == number]
                alone = network(line(begun + [tree.ids[index] for index in at]))[len(begun) :]
                trained = [one for one, index in enumerate(at) if start + index in place]
                ours = packed[[place[start + at[one]] for one in trained]]
                assert len(trained) >= sum(tree.target[index] >= 0 for index in at) > 0
                torch.testing.assert_close(ours, alone[trained], rtol=1e-2, atol=2e-3)
            start += len(tree.ids)


def test_a_step_of_the_optimizer_is_that_of_pytorch_in_float32() -> None:
    import torch

    from salecli.practice.muon import Muon, orthogonal

    torch.manual_seed(0)
    shapes = ((32, 64), (64, 32), (48, 48))
    ours = [torch.nn.Parameter(torch.randn(*shape)) for shape in shapes]
    theirs = [torch.nn.Parameter(one.detach().clone()) for one in ours]
    settings = {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.05}
    steps = (Muon(ours, **settings), torch.optim.Muon(theirs, **settings))
    before = [one.detach().clone() for one in ours]
    for _ in range(3):
        for one, other in zip(ours, theirs, strict=True):
            one.grad = torch.randn(one.shape)
            other.grad = one.grad.clone()
        for step in steps:
            step.step()
    for one, other, was in zip(ours, theirs, before, strict=True):
        assert (one - other).norm() < 0.02 * (one - was).norm()  # theirs keeps 8 bits
    singular = torch.linalg.svdvals(orthogonal(torch.randn(2, 16, 40)))
    assert 0.5 < singular.min() <= singular.max() < 1.3


@pytest.mark.slow
def test_a_short_training_gives_a_file_that_llama_evaluates_alike(tmp_path: Path) -> None:
    import llama_cpp
    import numpy as np
    import torch

    from salecli.practice import export
    from salecli.practice import tokenizer as tokenizers
    from salecli.practice.network import line
    from salecli.practice.train import make_tokenizer, train

    tokenizer = make_tokenizer(tmp_path / "tokenizer.json", 0)
    path = tmp_path / "practice-xs.gguf"
    said: list[str] = []
    network = train(
        "xs",
        tokenizer,
        minutes=0.2,
        seed=0,
        say=said.append,
        save=lambda trained: export.write(trained, tokenizer, "Practice xs", path),
    )
    assert [file.name for file in tmp_path.glob("*.gguf*")] == [path.name]
    assert tokenizers.load(tmp_path / "tokenizer.json").get_vocab() == tokenizer.get_vocab()
    model = llama(path)
    assert model.metadata["general.architecture"] == "qwen3"
    assert model.metadata["general.name"] == "Practice xs"
    assert "<|im_start|>" in model.metadata["tokenizer.chat_template"]

    def encode(text: str) -> list[int]:
        return list(tokenizer.encode(text, add_special_tokens=False).ids)

    for turns in some_turns():
        ids = chat(turns, encode)
        assert opened(turns[-1], encode) == ids[-len(opened(turns[-1], encode)) :]
        model.reset()
        model.eval(ids)
        ours = np.ctypeslib.as_array(llama_cpp.llama_get_logits_ith(model.ctx, -1), shape=(model.n_vocab(),))
        with torch.no_grad():
            theirs = network.logits(network(line(ids)))[-1].numpy()
        # Q8_0 keeps about 7 bits of each weight, and after seconds of training the logits are close together.
        assert np.abs(ours - theirs).max() < 0.06 * (theirs.max() - theirs.min())
        assert ours.argmax() == theirs.argmax() or theirs.max() - theirs[ours.argmax()] < 0.1
    model.close()
