"""Files that cannot be loaded: one message with the file, the cause and what to do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from salecli.adapters.llama import LlamaModel
from salecli.core.calls import Limits, Turn
from salecli.errors import ModelError
from tests.adapters.llama_fixtures import OPEN
from tests.models import Vocabulary, random_model

Make = Callable[..., LlamaModel]


def refusal(model: LlamaModel) -> str:
    """The message that loading and streaming both raise."""
    with pytest.raises(ModelError) as first:
        model.load()
    with pytest.raises(ModelError) as second:
        list(model.stream([OPEN], Limits()))
    assert first.value.message == second.value.message
    assert first.value.hint
    assert str(model.file) in first.value.message or model.file.name in first.value.message
    assert not model.loaded
    return first.value.message


def test_missing_folder_empty_and_other_kinds_of_file(llama: Make, tmp_path: Path) -> None:
    (tmp_path / "empty.gguf").touch()
    (tmp_path / "text.gguf").write_text("this is a text, and not a short one" * 10)
    (tmp_path / "loop.gguf").symlink_to(tmp_path / "loop.gguf")
    (tmp_path / "zip.gguf").write_bytes(b"PK\x03\x04" + bytes(100))
    assert "does not exist" in refusal(llama(tmp_path / "missing.gguf"))
    assert "is a folder" in refusal(llama(tmp_path))
    assert "is empty" in refusal(llama(tmp_path / "empty.gguf"))
    assert "not a GGUF" in refusal(llama(tmp_path / "text.gguf"))
    assert "not a GGUF" in refusal(llama(tmp_path / "zip.gguf"))
    assert "cannot be read" in refusal(llama(tmp_path / "loop.gguf"))
    assert "cannot be read" in refusal(llama(tmp_path / "text.gguf" / "below.gguf"))


def test_a_download_that_stopped_anywhere(llama: Make, llama_random: Path, tmp_path: Path) -> None:
    whole = llama_random.read_bytes()
    for share in (0.0001, 0.001, 0.005, 0.01, 0.02, 0.1, 0.5, 0.9, 0.9999):
        file = tmp_path / f"cut-{share}.gguf"
        file.write_bytes(whole[: int(len(whole) * share)])
        assert "header" in (said := refusal(llama(file))) or "cut short" in said


@pytest.mark.parametrize(
    ("keys", "cause"),
    [
        ({"architecture": "clip"}, "architecture is 'clip'"),
        ({"architecture": "bert"}, "architecture is 'bert'"),
        ({"type": "adapter"}, "of type 'adapter'"),
        ({"type": "mmproj"}, "of type 'mmproj'"),
        ({"qwen3__pooling_type": 3}, "embedding model"),
        ({"with_vocabulary": False}, "no vocabulary"),
        ({"split__count": 3}, "one of 3 parts"),
    ],
)
def test_files_that_are_no_text_models(llama: Make, tmp_path: Path, keys: dict[str, Any], cause: str) -> None:
    assert cause in refusal(llama(random_model(tmp_path / "other.gguf", **keys)))


def test_a_missing_part_of_a_split_model(llama: Make, tmp_path: Path) -> None:
    file = random_model(tmp_path / "m-00001-of-00002.gguf", split__count=2)
    with pytest.raises(ModelError, match=r"missing.*m-00002-of-00002\.gguf"):
        llama(file).load()


def test_what_only_llama_cpp_can_tell(llama: Make, tmp_path: Path, llama_random: Path) -> None:
    file = tmp_path / "unknown.gguf"
    file.write_bytes(llama_random.read_bytes().replace(b"qwen3", b"qwenX"))
    assert "unknown model architecture: 'qwenX'" in refusal(llama(file))
    file = tmp_path / "nameless.gguf"
    file.write_bytes(llama_random.read_bytes().replace(b"blk.1.ffn_down", b"blk.1.ffn_drop"))
    assert "blk.1.ffn_down" in refusal(llama(file))


def test_a_vocabulary_without_chat_marks(llama: Make, tmp_path: Path) -> None:
    vocabulary = Vocabulary()
    vocabulary.tokens = [token.replace("im_start", "bot") for token in vocabulary.tokens]
    assert "no chat template" in refusal(llama(random_model(tmp_path / "other.gguf", vocabulary=vocabulary)))


def test_a_context_beyond_the_training_is_refused(llama: Make, llama_random: Path) -> None:
    assert "context of 2048 tokens, not of 4096" in refusal(llama(llama_random, context=4096))
    assert llama(llama_random).context == 2048


def test_a_file_that_was_mended_is_read_again(llama: Make, llama_random: Path, tmp_path: Path) -> None:
    file = tmp_path / "late.gguf"
    file.write_bytes(llama_random.read_bytes()[:5000])
    model = llama(file)
    refusal(model)
    file.write_bytes(llama_random.read_bytes())
    assert model.load() is not None
    assert len(list(model.stream([Turn("user", "x"), OPEN], Limits(max_tokens=2)))) == 2
