"""The bare llama.cpp loop that models are measured against: its C functions in this process, nothing else.

No child, no pipe, no text, no entropy: what a program would do that has token ids and wants token ids.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from salecli.core.calls import Limits

if TYPE_CHECKING:
    from salecli.adapters.llama_native import Sequence0

# The native binding loads llama.cpp at its import: it stands inside the functions.


def apart(module: str, *arguments: object) -> list[dict[str, Any]]:
    """The rows that `python -m module` prints as JSON in a process with the environment of a model's own.

    What numpy and OpenMP read at their import would differ here, and would be compared in place of the loops.
    """
    from salecli.adapters.llama_child import environment

    command = [sys.executable, "-P", "-m", module, *map(str, arguments)]
    done = subprocess.run(command, env=environment(), stdout=subprocess.PIPE, check=True)
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


@contextmanager
def opened(
    file: Path,
    context: int = 2048,
    kv: str = "f16",
    gpu_layers: int | None = None,
    threads: tuple[int, int] | None = None,
) -> Iterator[Sequence0]:
    """The model in this process, with the threads and the context that its own process would have."""
    from salecli.adapters import llama_native as native
    from salecli.adapters.gguf_header import read
    from salecli.adapters.llama import threads_for

    native.start()
    threads = threads or (threads_for(read(file)),) * 2
    sequence = native.Sequence0(str(file), context, threads, gpu_layers, native.Flag(), kv)
    try:
        yield sequence
    finally:
        sequence.close()


def generate(
    sequence: Sequence0, prompt: Sequence[int], evaluated: int, drawn: Sequence[int], limits: Limits
) -> float:
    """Seconds to evaluate the last `evaluated` tokens of a prompt, then to sample and decode the `drawn`."""
    import ctypes

    import llama_cpp.llama_cpp as llama

    from salecli.adapters.llama_native import Sampler

    context = sequence.context_pointer
    one = (ctypes.c_int32 * 1)()
    single = llama.llama_batch_get_one(one, 1)
    _hold(sequence, prompt[: len(prompt) - evaluated])
    with Sampler(limits.temperature, limits.top_p, limits.top_k, limits.seed) as chain:
        began = time.perf_counter()
        _decode(sequence, prompt[len(prompt) - evaluated :])
        for token in drawn[:-1]:
            llama.llama_sampler_sample(chain, context, -1)
            one[0] = token
            llama.llama_decode(context, single)
        llama.llama_sampler_sample(chain, context, -1)
        return time.perf_counter() - began


def read_next(
    sequence: Sequence0, prefix: Sequence[int], endings: Sequence[Sequence[int]], held: int
) -> float:
    """Seconds to evaluate a prefix but for its first `held` tokens, then to get logits after each ending."""
    import llama_cpp.llama_cpp as llama

    memory = llama.llama_get_memory(sequence.context_pointer)
    _hold(sequence, prefix[:held])
    began = time.perf_counter()
    _decode(sequence, prefix[held:])
    for ending in endings:
        llama.llama_memory_seq_rm(memory, 0, len(prefix), -1)
        _decode(sequence, ending)
        llama.llama_get_logits_ith(sequence.context_pointer, -1)
    return time.perf_counter() - began


def _hold(sequence: Sequence0, ids: Sequence[int]) -> None:
    """Let the context hold exactly `ids`: what no clock sees."""
    import llama_cpp.llama_cpp as llama

    llama.llama_memory_clear(llama.llama_get_memory(sequence.context_pointer), True)
    _decode(sequence, ids)
    llama.llama_synchronize(sequence.context_pointer)


def _decode(sequence: Sequence0, ids: Sequence[int]) -> None:
    import ctypes

    import llama_cpp.llama_cpp as llama

    from salecli.adapters.llama_native import BATCH

    for begin in range(0, len(ids), BATCH):
        part = ids[begin : begin + BATCH]
        tokens = (ctypes.c_int32 * len(part))(*part)  # the batch only points to it
        if llama.llama_decode(sequence.context_pointer, llama.llama_batch_get_one(tokens, len(part))):
            raise RuntimeError("the bare loop's prompt cannot be evaluated")
