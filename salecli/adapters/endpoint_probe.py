"""Finds out what a server is and what it can tell, with one to three small requests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import PurePosixPath
from typing import Any, Literal

from salecli.adapters.chatml import Chat
from salecli.adapters.endpoint_answers import choice, pieces
from salecli.adapters.endpoint_faults import Unusable, words
from salecli.adapters.endpoint_line import Line
from salecli.adapters.llama_call import Call
from salecli.errors import ModelError

Kind = Literal["llama-server", "vLLM", "Ollama", "other"]

WHOLE = 4_096
"""Largest vocabulary of which every token's log-probability is asked for: entropies are exact then."""
ASKED = 128
"""Log-probabilities per token that are asked for where nobody says how many, and the server has no limit."""
FEW = 20
"""Most that OpenAI's API, Ollama, and vLLM by default tell."""
ASSUMED = 151_936
"""Qwen3's vocabulary: where neither server nor user tells its size."""


@dataclass(frozen=True)
class Server:
    """What is known of a model on a server."""

    kind: Kind
    model: str
    context: int
    """Tokens, 0 where the server does not say."""
    vocabulary: int
    assumed: bool
    """Whether nobody told the vocabulary's size."""
    top: int
    """Log-probabilities that it tells of each token."""
    chat: Chat | None
    """Our own rendering, in token ids; None where the server's chat template has to do."""

    @property
    def exact(self) -> bool:
        return self.top >= self.vocabulary

    def describe(self) -> str:
        """What is exact, what is an interval, and what is off."""
        if self.exact:
            measured = "entropy and marks exact"
        elif self.kind == "llama-server":
            measured = f"entropy an interval (top {self.top} of {self.vocabulary:,}), marks exact"
        elif self.kind == "vLLM":
            measured = (
                f"entropy an interval (top {self.top} of {self.vocabulary:,}), marks exact where it knows "
            )
            measured += "logprob_token_ids"
        else:
            measured = f"entropy and marks from its top {self.top}"
        own = (
            "own prompts as token ids"
            if self.chat is not None
            else "its own chat template, prefix cache unknown"
        )
        return f"{self.kind}: {measured}; {own}"


class Remote:
    """The server's tokenizer; what was tokenized once is not asked for again. Fits `chatml.Tokenizer`."""

    def __init__(self, line: Line, kind: Kind, model: str, call: Call) -> None:
        self._line = line
        self._kind = kind
        self._model = model
        self.call = call
        """The call that pays for the requests."""
        self._known: dict[tuple[str, bool], list[int]] = {}

    def tokenize(self, text: str, special: bool = False) -> list[int]:
        key = (text, special)
        if key not in self._known:
            if not text:
                return []
            if len(self._known) > 1_000:
                self._known.clear()
            self._known[key] = self._asked(text, special)
        return list(self._known[key])

    def _asked(self, text: str, special: bool) -> list[int]:
        body: dict[str, Any] = {"model": self._model, "add_special_tokens": False, "prompt": text}
        if self._kind == "llama-server":
            body = {"model": self._model, "add_special": False, "parse_special": special, "content": text}
        answer = self._line.ask(f"{self._line.address.root}/tokenize", body, self.call)
        tokens = answer.get("tokens") if isinstance(answer, dict) else None
        if not isinstance(tokens, list) or not all(isinstance(one, int) for one in tokens):
            raise Unusable("answers /tokenize without token ids")
        return tokens


def probe(line: Line, model: str, call: Call, top: int = 0, vocabulary: int = 0) -> Server:
    """What the server at the end of `line` is, and what it tells of `model`.

    `top` and `vocabulary` are what the user said of them, 0 for nothing.

    Raises:
        ModelError: it cannot be reached, or has no such model (with those that it has).
    """
    listed = _listed(line, call)
    entry = _named(line, model, listed)
    name = str(entry["id"])
    kind = _kind(line, entry, call)
    meta = entry.get("meta")
    meta = meta if isinstance(meta, dict) else {}
    told = vocabulary or _count(meta.get("n_vocab"))
    size = told or ASSUMED
    context = _count(meta.get("n_ctx")) or _count(entry.get("max_model_len"))
    chat = None
    if kind in ("llama-server", "vLLM"):
        try:
            chat = Chat.of(Remote(line, kind, name, call))
        except (LookupError, ModelError):
            chat = None
    most = min(top or (size if size <= WHOLE else ASKED), size)
    if kind != "llama-server":
        most = min(most, top or FEW) if kind != "vLLM" else _most(line, name, most, call)
    return Server(kind, name, context, size, not told, most, chat)


def _listed(line: Line, call: Call) -> list[Mapping[str, Any]]:
    answer = line.ask("/models", None, call)
    data = answer.get("data") if isinstance(answer, dict) else None
    if not isinstance(data, list):
        raise Unusable("answers /models without a list of models")
    return [one for one in data if isinstance(one, dict) and isinstance(one.get("id"), str)]


def _named(line: Line, model: str, listed: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The entry of `model`: by its id, another name it goes by, or the file that it was loaded from."""
    for one in listed:
        aliases = one.get("aliases")
        if model in (
            one["id"],
            PurePosixPath(one["id"]).name,
            *(aliases if isinstance(aliases, list) else ()),
        ):
            return one
    names = [words(one["id"], line.address) for one in listed]
    near = get_close_matches(model, names, 1)
    raise ModelError(
        f"endpoint {line.address.name} has no model {model!r}; it serves {', '.join(names[:8]) or 'none'}",
        f"write model = {(near or names or ['NAME'])[0]!r} in the pool file",
    )


def _kind(line: Line, entry: Mapping[str, Any], call: Call) -> Kind:
    owner = entry.get("owned_by")
    if owner == "llamacpp":
        return "llama-server"
    if owner == "vllm":
        return "vLLM"
    try:
        answer = line.ask(f"{line.address.root}/api/version", None, call)
    except ModelError:
        return "other"
    return "Ollama" if isinstance(answer, dict) and "version" in answer else "other"


def _most(line: Line, model: str, wanted: int, call: Call) -> int:
    """How many log-probabilities a vLLM server tells: it refuses more than it was started for."""
    for top in (wanted, FEW):
        body = {"model": model, "prompt": [0], "max_tokens": 1, "logprobs": top, "temperature": 0.0}
        try:
            answer = line.ask("/completions", body, call)
        except ModelError:
            if top == FEW:
                raise
            continue
        return min(top, max((len(one.top) for one in pieces(choice(answer))), default=0) or top)
    raise AssertionError("unreachable: the last one returns or raises")


def _count(value: object) -> int:
    return value if isinstance(value, int) and 0 < value < 1 << 31 else 0
