"""The GPUs that llama.cpp sees, asked through its own library: on its own, a JSON list of them on stdout."""

from __future__ import annotations

import ctypes
import json
import os
import sys
from collections.abc import Sequence
from typing import Any

import llama_cpp.llama_cpp as llama

_GPU, _INTEGRATED = 1, 2
"""ggml's device types; 0 is the processor, 3 an accelerator beside it."""


def gpus() -> list[dict[str, Any]]:
    """Name, free and total bytes, and whether they are the processor's, of each GPU that llama.cpp uses.

    Its backend must have been started.
    """
    library = llama._lib
    count = _function(library.ggml_backend_dev_count, ctypes.c_size_t)
    get = _function(library.ggml_backend_dev_get, ctypes.c_void_p, ctypes.c_size_t)
    kind = _function(library.ggml_backend_dev_type, ctypes.c_int, ctypes.c_void_p)
    name = _function(library.ggml_backend_dev_description, ctypes.c_char_p, ctypes.c_void_p)
    size = ctypes.POINTER(ctypes.c_size_t)
    memory = _function(library.ggml_backend_dev_memory, None, ctypes.c_void_p, size, size)
    found: list[tuple[int, dict[str, Any]]] = []
    for number in range(count()):
        device = get(number)
        if kind(device) in (_GPU, _INTEGRATED):
            free, total = ctypes.c_size_t(), ctypes.c_size_t()
            memory(device, free, total)
            said = (name(device) or b"").decode("utf-8", "replace")
            shared = kind(device) == _INTEGRATED or sys.platform == "darwin"
            row = {"name": said, "free": free.value, "total": total.value, "shared": shared}
            found.append((kind(device), row))
    return used(found)


def used(found: Sequence[tuple[int, dict[str, Any]]]) -> list[dict[str, Any]]:
    """Of (type, GPU) those that llama.cpp uses: the integrated ones only for want of others."""
    best = min((kind for kind, _ in found), default=_GPU)
    return [row for kind, row in found if kind == best]


def _function(function: Any, result: Any, *arguments: Any) -> Any:
    function.restype, function.argtypes = result, list(arguments)
    return function


if __name__ == "__main__":
    llama.llama_backend_init()
    os.write(1, json.dumps(gpus()).encode())
