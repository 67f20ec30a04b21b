"""How fast memory teaches: pairs out of 100,000 remembered tasks, and what the embedder costs."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from salecli.adapters import checksums
from salecli.adapters.recall import packed, unit
from salecli.adapters.records import now, text_hash, to_json
from salecli.adapters.sqlite import SqliteMemory
from salecli.adapters.sqlitefile import prepare, writing
from salecli.core.values import Task

if TYPE_CHECKING:
    from sqlite_utils import Database

TASKS = 100_000
LENGTH = 384
BAR = 30.0
AGENTS = ("small", "middle", "large", "huge")
_POOL, _PROMPTS = "pool", "prompts"


class Scattered:
    """Fits Embedder: each text's own random direction, at once; the real one's time is a row of its own."""

    name = "scattered"

    def embed(self, text: str) -> Sequence[float]:
        """A unit vector that is the same for the same text."""
        import zlib

        import numpy as np

        drawn = np.random.default_rng(zlib.crc32(text.encode())).standard_normal(LENGTH)
        vector: list[float] = unit(drawn).tolist()
        return vector


def rows(tasks: int = TASKS) -> list[dict[str, Any]]:
    """Rows of the benchmark table: name, value, unit, bar (None where there is none), ok."""
    with tempfile.TemporaryDirectory(prefix="sale-bench-") as folder:
        path = Path(folder) / "memory.sqlite3"
        fill(path, tasks)
        first, warm, alone = _pairs(path)
    return [
        _row(f"memory: top-8 pairs among {tasks:,} remembered tasks, warm", warm, "ms", BAR),
        _row("memory: the same, comparison of the vectors alone", alone, "ms"),
        _row(f"memory: first pairs among {tasks:,} tasks, vectors read in", first, "ms"),
        *_embedding(),
    ]


def _row(name: str, value: float, unit: str, bar: float | None = None) -> dict[str, Any]:
    return {
        "name": name,
        "value": round(value, 3),
        "unit": unit,
        "bar": bar,
        "ok": bar is None or value <= bar,
    }


def _pairs(path: Path) -> tuple[float, float, float]:
    """Milliseconds: the first time, the median of later ones, the median over plain numpy."""
    import numpy as np

    memory = SqliteMemory(path, Scattered(), _POOL, _PROMPTS)
    began = time.perf_counter()
    found = memory.pairs(Task("q", "q", "the first question"), AGENTS[0], 8)
    first = time.perf_counter() - began
    if len(found) != 8:
        raise AssertionError(f"{len(found)} pairs instead of 8")
    took = []
    for turn in range(24):
        task = Task("q", "q", f"question {turn}")
        began = time.perf_counter()
        memory.pairs(task, AGENTS[turn % 4], 8)
        took.append(time.perf_counter() - began)
    matrix = memory._recall._matrix
    query = np.asarray(Scattered().embed("plain"), np.float32)
    plain = []
    for _ in range(24):
        began = time.perf_counter()
        np.argpartition(matrix @ query, -8)
        plain.append(time.perf_counter() - began)
    return 1e3 * first, 1e3 * statistics.median(took), 1e3 * statistics.median(plain)


def _embedding() -> list[dict[str, Any]]:
    """The real embedder: from nothing to its first vector, and one more."""
    from salecli.adapters.embedder import MiniLM

    embedder = MiniLM()
    try:
        began = time.perf_counter()
        embedder.embed("the first task")
        cold = time.perf_counter() - began
        took = []
        for turn in range(16):
            began = time.perf_counter()
            embedder.embed(f"Write a function that adds {turn} to every number of a list.")
            took.append(time.perf_counter() - began)
        imported = float(embedder.figures()["import"])
    finally:
        embedder.close()
    return [
        _row("embedder: cold start to the first vector, in the background", cold, "s"),
        _row("embedder: of that, import", imported, "s"),
        _row("embedder: one more vector", 1e3 * statistics.median(took), "ms"),
    ]


def fill(path: Path, tasks: int) -> None:
    """A memory file of `tasks` solved auctions, and a tenth as many of another pool."""
    import numpy as np

    prepare(path)
    total = tasks + tasks // 10
    drawn = np.random.default_rng(7)
    step = 10_000
    for start in range(0, total, step):
        vectors = drawn.standard_normal((min(step, total - start), LENGTH)).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        with writing(path) as db:
            for place, vector in enumerate(vectors):
                _texts(db, start + place + 1, packed(vector))
            pools = {
                number: _POOL if number <= tasks else "other" for number in range(start + 1, start + step + 1)
            }
            _auctions(db, range(start + 1, start + len(vectors) + 1), pools)
    with writing(path) as db:
        checksums.renew(db)


def _texts(db: Database, number: int, vector: bytes) -> None:
    text = f"Task number {number}: add what is missing to module {number % 977}, and keep its tests passing."
    run = db.conn.execute
    run("INSERT INTO texts (id, hash, text) VALUES (?, ?, ?)", (number, text_hash(text), text))
    run("INSERT INTO embeddings (text, embedder, vector) VALUES (?, ?, ?)", (number, Scattered.name, vector))


def _auctions(db: Database, numbers: range, pools: dict[int, str]) -> None:
    """For each task an auction of four bids that the largest agent solved: it teaches all four."""
    many = db.conn.executemany
    many(
        "INSERT INTO tasks (id, hash, text, name, title) VALUES (?, ?, ?, ?, ?)",
        ((number, str(number), number, str(number), f"Task {number}") for number in numbers),
    )
    stamp, prices = now(), to_json(dict.fromkeys(AGENTS, 0.1))
    many(
        "INSERT INTO auctions (id, run, task, pool, pool_hash, prompts_hash, prices, winner, solved,"
        " solved_by, created_at) VALUES (?, ?, ?, 'bench', ?, ?, ?, 'huge', 1, 'huge', ?)",
        ((number, str(number), number, pools[number], _PROMPTS, prices, stamp) for number in numbers),
    )
    plan = "\n".join(f"step {step}: read the module, then change line {step}" for step in range(6))
    many(
        "INSERT INTO bids (id, auction, agent, refined, plan, tokens) VALUES (?, ?, ?, 0, ?, 80)",
        (
            (4 * number + place, number, agent, plan)
            for number in numbers
            for place, agent in enumerate(AGENTS)
        ),
    )
    many(
        "INSERT INTO lessons (auction, agent, text, pool_hash, prompts_hash, lost, won, note)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, '')",
        (
            (number, agent, number, pools[number], _PROMPTS, 4 * number + place % 3, 4 * number + 3)
            for number in numbers
            for place, agent in enumerate(AGENTS)
        ),
    )
