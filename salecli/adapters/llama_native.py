"""llama.cpp as the model's process needs it: a vocabulary, one sequence in a context and branches of it.

Built on the C API alone: of llama-cpp-python's `Llama` class, `detokenize` drops long tokens, `verbose`
turns the process's output off, `logits_all` costs gigabytes; none of it is reachable from here. Grammars,
logits processors and draft models are not used at all.
"""

from __future__ import annotations

import ctypes
import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import llama_cpp.llama_cpp as llama
import numpy as np

from salecli.adapters.footprint import SEQUENCES
from salecli.adapters.llama_faults import Cancelled, NativeError
from salecli.adapters.llama_measures import DAMAGED, Measures
from salecli.adapters.vocabulary import Vocabulary

BATCH = 512
"""Tokens of one step of a prefill: between two steps a cancel is seen on any device."""
SLOW_STEP = 0.1
"""Seconds of one token's step from which on the step itself must be stoppable."""

_ERROR, _CONTINUED = 4, 5
Read = TypeVar("Read")
_lines: deque[str] = deque(maxlen=20)
_last_level = 0


class Flag:
    """Set by the thread that reads requests, seen by the one that computes."""

    def __init__(self) -> None:
        self.up = False


@llama.llama_log_callback  # type: ignore[untyped-decorator]
def _log(level: int, text: bytes, _: object) -> None:
    """Keeps the last errors, for the message of a failed load; everything else is dropped."""
    global _last_level
    if level != _CONTINUED:
        _last_level = level
    line = text.decode("utf-8", "replace").strip()
    if _last_level == _ERROR and line:
        _lines.append(line)


def start() -> None:
    """Silence and start llama.cpp; once per process, before anything else."""
    # The callback is a module global: llama.cpp keeps the bare pointer.
    llama.llama_log_set(_log, ctypes.c_void_p(0))
    llama.llama_backend_init()


def complaint() -> str:
    """The first error that llama.cpp logged since the last call: the ones after it are its echo."""
    said = _lines[0].removeprefix("llama_model_load: ") if _lines else ""
    _lines.clear()
    return said[:300]


class Sequence0:
    """One sequence of tokens in a context: what is held is never evaluated again."""

    def __init__(
        self,
        file: str,
        context: int,
        threads: tuple[int, int],
        gpu_layers: int | None,
        flag: Flag,
        kv: str = "f16",
        sequences: int | None = None,
    ) -> None:
        """`threads` are those for single tokens, and those for a prompt.

        `sequences`: most branches at once; by default SEQUENCES where layers lie on a GPU, else 1. A
        processor has read the weights once for a whole ending already, and gains nothing (measured).
        """
        self._flag = flag
        self.model = _load(file, gpu_layers)
        if sequences is None:
            sequences = SEQUENCES if offloads(gpu_layers) else 1
        if llama.llama_model_is_recurrent(self.model) or llama.llama_model_is_hybrid(self.model):
            sequences = 1  # their state cannot be shared: every sequence would hold one
        self.sequences = sequences
        self.vocabulary = Vocabulary(self.model)
        self.context = context
        # llama.cpp rounds a context up; `context` stays the limit.
        params = llama.llama_context_default_params()
        params.n_ctx = context
        params.n_batch = params.n_ubatch = min(BATCH, context)
        # Branches stand beside sequence 0 and share its cells.
        params.n_seq_max = sequences + 1 if sequences > 1 else 1
        params.kv_unified = sequences > 1
        # Only last tokens' logits are ever read: this saves n_vocab * n_batch * 4 bytes.
        params.n_outputs_max = params.n_seq_max
        params.n_threads, params.n_threads_batch = threads
        params.flash_attn_type = llama.LLAMA_FLASH_ATTN_TYPE_AUTO
        if kv == "q8_0":
            params.type_k = params.type_v = llama.GGML_TYPE_Q8_0
            params.flash_attn_type = llama.LLAMA_FLASH_ATTN_TYPE_ENABLED  # quantised values need it
        params.no_perf = True
        if gpu_layers == 0:
            params.op_offload = params.offload_kqv = False
        self.context_pointer = llama.llama_init_from_model(self.model, params)
        if not self.context_pointer:
            raise NativeError(complaint() or f"no context of {context} tokens could be made")
        self._memory = llama.llama_get_memory(self.context_pointer)
        self._batch = min(BATCH, context)
        self.held: list[int] = []
        self.evaluated = 0
        """Tokens evaluated since the beginning."""
        self._one = (ctypes.c_int32 * 1)()
        self._single = llama.llama_batch_get_one(self._one, 1)
        self._step = 0.0
        self._stoppable = False
        self._abort = llama.ggml_abort_callback(lambda _: flag.up)  # kept: llama.cpp has the bare pointer
        self._never = llama.ggml_abort_callback(0)
        # The shared binding returns a ctypes pointer; wrapping that for every token costs five times as much.
        prototype = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int32)
        self._logits_at = prototype(ctypes.cast(llama.llama_get_logits_ith, ctypes.c_void_p).value or 0)
        self._address = 0
        self._logits = np.empty(0, np.float32)
        self.measures = Measures(self.vocabulary.size)

    def keep(self, count: int) -> int:
        """Forget all but the first `count` tokens; returns how many are left (0 where it cannot cut)."""
        if count < len(self.held):
            if not llama.llama_memory_seq_rm(self._memory, 0, count, -1):
                llama.llama_memory_clear(self._memory, True)
                count = 0
            del self.held[count:]
        return len(self.held)

    def common(self, ids: Sequence[int]) -> int:
        """Length of the longest common prefix of `ids` and what is held."""
        for index, (left, right) in enumerate(zip(self.held, ids, strict=False)):
            if left != right:
                return index
        return min(len(self.held), len(ids))

    def evaluate(self, ids: Sequence[int]) -> int:
        """Hold exactly `ids`, its last token's distribution at hand; returns how many were evaluated.

        The last token is a step of its own: a prompt that is held already gives the same distribution,
        bit for bit, as it gave when it was new.
        """
        left = self.keep(min(self.common(ids), len(ids) - 1))
        self.extend(ids[left:-1])
        self.step(ids[-1])
        return len(ids) - left

    def extend(self, ids: Sequence[int]) -> None:
        """Evaluate further tokens.

        Raises:
            Cancelled: the flag is up; what is held is what was evaluated whole.
            NativeError: llama.cpp cannot evaluate them.
        """
        if len(self.held) + len(ids) > self.context:
            raise NativeError(f"{len(self.held) + len(ids)} tokens in a context of {self.context}")
        for begin in range(0, len(ids), self._batch):
            part = ids[begin : begin + self._batch]
            if self._flag.up:
                raise Cancelled
            tokens = (ctypes.c_int32 * len(part))(*part)
            self._decode(llama.llama_batch_get_one(tokens, len(part)), stoppable=True)
            self.held += part
            self.evaluated += len(part)

    def step(self, token: int) -> None:
        """Evaluate one further token, as `extend` does, for those that are generated one by one."""
        held = self.held
        if len(held) >= self.context:
            raise NativeError(f"{len(held) + 1} tokens in a context of {self.context}")
        if self._flag.up:
            raise Cancelled
        began = time.monotonic()
        self._one[0] = token
        self._decode(self._single, stoppable=self._step > SLOW_STEP)
        self._step = time.monotonic() - began
        held.append(token)
        self.evaluated += 1

    def branch(self, endings: Sequence[Sequence[int]], read: Callable[[Any], Read]) -> list[Read]:
        """What `read` makes of the logits after each ending, as if it followed what is held, which stays so.

        At most `sequences` endings; they go into one batch, each as a sequence of its own, and need room in
        the context beside each other.

        Raises:
            Cancelled: the flag is up; what was held is held.
            NativeError: llama.cpp cannot evaluate them.
        """
        held, numbers = len(self.held), range(1, len(endings) + 1)
        tokens = [
            (token, held + place, number, place == len(ending) - 1)
            for number, ending in zip(numbers, endings, strict=True)
            for place, token in enumerate(ending)
        ]
        if held + len(tokens) > self.context:
            raise NativeError(f"{held + len(tokens)} tokens in a context of {self.context}")
        found: list[Read] = []
        batch = llama.llama_batch_init(self._batch, 0, 1)
        try:
            for number in numbers:
                llama.llama_memory_seq_cp(self._memory, 0, number, -1, -1)
            for begin in range(0, len(tokens), self._batch):
                if self._flag.up:
                    raise Cancelled
                part = tokens[begin : begin + self._batch]
                batch.n_tokens = len(part)
                for row, (token, position, number, last) in enumerate(part):
                    batch.token[row], batch.pos[row], batch.logits[row] = token, position, last
                    batch.n_seq_id[row], batch.seq_id[row][0] = 1, number
                self._decode(batch, stoppable=True)
                self.evaluated += len(part)
                found += [read(self.logits(row)) for row, (*_, last) in enumerate(part) if last]
        finally:
            llama.llama_batch_free(batch)
            for number in numbers:
                llama.llama_memory_seq_rm(self._memory, number, -1, -1)
        return found

    def _decode(self, batch: Any, stoppable: bool) -> None:
        # The callback runs Python once per graph node: 7 % of a tiny model's step (measured), so only where
        # a step is long enough to be worth stopping.
        if stoppable != self._stoppable:
            llama.llama_set_abort_callback(
                self.context_pointer, self._abort if stoppable else self._never, None
            )
            self._stoppable = stoppable
        code = llama.llama_decode(self.context_pointer, batch)
        if code == 0:
            return
        # Parts of an aborted batch stay behind in llama.cpp's memory.
        if not llama.llama_memory_seq_rm(self._memory, 0, len(self.held), -1):
            llama.llama_memory_clear(self._memory, True)
            self.held.clear()
        if self._flag.up:
            raise Cancelled
        raise NativeError(complaint() or f"llama_decode returned {code}")

    @property
    def template(self) -> str:
        """The chat template in the file's metadata, empty where there is none."""
        found = llama.llama_model_chat_template(self.model, None)
        return found.decode("utf-8", "replace") if found else ""

    def close(self) -> None:
        """Free context and model; nothing else may be called after that."""
        llama.llama_free(self.context_pointer)
        llama.llama_model_free(self.model)

    def logits(self, row: int = -1) -> Any:
        """llama.cpp's own float32 logits of the next token, a view of `vocabulary.size` entries.

        `row`: after which token of the last batch.
        """
        address = self._logits_at(self.context_pointer, row)
        if address != self._address:
            if not address:
                raise NativeError("no logits")
            pointer = ctypes.cast(address, ctypes.POINTER(ctypes.c_float))
            self._logits = np.ctypeslib.as_array(pointer, shape=(self.vocabulary.size,))
            self._address = address
        return self._logits

    def check(self) -> None:
        """Refuse an output that is no number, before a sampler ends the process over it.

        Damaged weights show at the first token; what `measures` finds later is refused there.

        Raises:
            NativeError: the model is damaged.
        """
        if not math.isfinite(self.logits().max()):
            raise NativeError(DAMAGED)

    def draw(self, sampler: Any, measured: bool = True) -> int:
        """Sample the next token; `measures` keeps the distribution that it came from."""
        if measured:
            self.measures.take(self.logits())
        return int(llama.llama_sampler_sample(sampler, self.context_pointer, -1))


class Sampler:
    """llama.cpp's sampler chain; a context manager, freed at its end."""

    def __init__(self, temperature: float, top_p: float, top_k: int, seed: int) -> None:
        self.chain = llama.llama_sampler_chain_init(llama.llama_sampler_chain_default_params())
        if temperature <= 0:
            links = [llama.llama_sampler_init_greedy()]
        else:
            links = [
                llama.llama_sampler_init_top_k(top_k),
                llama.llama_sampler_init_top_p(top_p, 1),
                llama.llama_sampler_init_temp(temperature),
                # The largest 32-bit number would mean "a random seed".
                llama.llama_sampler_init_dist(seed % 0xFFFFFFFF),
            ]
        for link in links:
            llama.llama_sampler_chain_add(self.chain, link)  # the chain owns its links

    def __enter__(self) -> Any:
        return self.chain

    def __exit__(self, *_: object) -> None:
        llama.llama_sampler_free(self.chain)


def offloads(gpu_layers: int | None) -> bool:
    """Whether layers go to a GPU."""
    return gpu_layers != 0 and bool(llama.llama_supports_gpu_offload())


def _has_amx() -> bool:
    return b"AMX_INT8 = 1" in llama.llama_print_system_info()


def _load(file: str, gpu_layers: int | None) -> Any:
    """The model in a file; None for `gpu_layers` puts all of them on a GPU where this build can."""
    offload = offloads(gpu_layers)
    params = llama.llama_model_default_params()
    params.n_gpu_layers = (-1 if gpu_layers is None else gpu_layers) if offload else 0
    # Compiled by GCC before 13.3, the AMX kernels run without their tiles' configuration: the process dies.
    params.use_extra_bufts = not _has_amx()
    # On a CPU a mapped file would stay in memory beside its repacked copy.
    params.load_mode = llama.LLAMA_LOAD_MODE_MMAP if offload else llama.LLAMA_LOAD_MODE_NONE
    model = llama.llama_model_load_from_file(str(Path(file)).encode(), params)
    if not model:
        raise NativeError(complaint() or "llama.cpp gives no reason")
    return model
