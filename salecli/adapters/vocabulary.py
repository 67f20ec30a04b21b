"""A model's tokens, in llama.cpp's own words: text to ids, ids to bytes, which of them are marks."""

from __future__ import annotations

import ctypes
import functools
from typing import Any

import llama_cpp.llama_cpp as llama


class Vocabulary:
    """A model's tokens."""

    def __init__(self, model: Any) -> None:
        self._vocab = llama.llama_model_get_vocab(model)
        self.size = int(llama.llama_vocab_n_tokens(self._vocab))
        self._pieces: dict[int, bytes] = {}
        # A bid, a mark and the work begin with the same turn: it is cut into tokens once.
        self._ids = functools.lru_cache(maxsize=64)(self._tokenized)
        begin = int(llama.llama_vocab_bos(self._vocab))
        self.begin = begin if begin >= 0 and llama.llama_vocab_get_add_bos(self._vocab) else None
        """The id of the begin mark that a prompt needs, None where it needs none."""
        self.ends = functools.cache(self._ends)
        """Whether a token ends the generation."""

    def tokenize(self, text: str, special: bool = False) -> list[int]:
        """The text's ids, without begin or end marks; `special` lets control tokens in it count as such."""
        return list(self._ids(text, special))

    def _tokenized(self, text: str, special: bool) -> list[int]:
        # A lone surrogate has no UTF-8: it becomes a question mark.
        data = text.encode("utf-8", "replace")
        room = len(data) + 8
        while True:
            ids = (ctypes.c_int32 * room)()
            count = llama.llama_tokenize(self._vocab, data, len(data), ids, room, False, special)
            if count >= 0:
                return ids[:count]
            room = -count

    def piece(self, token: int) -> bytes:
        """A token's bytes, of any length; empty for control tokens."""
        known = self._pieces.get(token)
        return known if known is not None else self._pieces.setdefault(token, self._piece(token, False))

    def _piece(self, token: int, special: bool) -> bytes:
        room = 64
        while True:
            buffer = ctypes.create_string_buffer(room)
            count = llama.llama_token_to_piece(self._vocab, token, buffer, room, 0, special)
            if count >= 0:
                return buffer.raw[:count]
            room = -count

    def is_mark(self, token: int) -> bool:
        """Whether a token is no piece of text: a control token, or a word that the file defines as a whole.

        Of the words, those of spaces alone are text: some vocabularies define runs of them so.
        """
        kind = llama.llama_vocab_get_attr(self._vocab, token)
        word = kind & llama.LLAMA_TOKEN_ATTR_USER_DEFINED and len(self.piece(token).strip()) > 2
        return bool(kind & llama.LLAMA_TOKEN_ATTR_CONTROL or word)

    def named(self, name: str) -> str:
        """The text of the "bos" or "eos" token, empty where there is none."""
        token = {"bos": llama.llama_vocab_bos, "eos": llama.llama_vocab_eos}[name](self._vocab)
        return self._piece(token, True).decode("utf-8", "replace") if token >= 0 else ""

    def _ends(self, token: int) -> bool:
        return bool(llama.llama_vocab_is_eog(self._vocab, token))
