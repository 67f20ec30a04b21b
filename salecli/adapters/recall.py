"""The vectors of past tasks, kept in one matrix, so that the nearest are found in a few milliseconds."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from salecli.adapters import checksums
from salecli.adapters.records import text_hash

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from sqlite_utils import Database

    from salecli.core.ports import Embedder

    Vector = NDArray[np.float32]


class Recall:
    """Past tasks of one pool and one set of prompts that hold a lesson, by agent.

    Rows are added as auctions come in; a file that was replaced, or in which auctions were amended or
    deleted, is read anew. Safe to share between threads.
    """

    def __init__(self, embedder: Embedder, pool_hash: str, prompts_hash: str) -> None:
        self._embedder = embedder
        self._hashes = (pool_hash, prompts_hash)
        self._lock = threading.Lock()
        self._forget(None, 0)

    def _forget(self, identity: tuple[int, int] | None, edits: int) -> None:
        import numpy as np  # a tenth of a second of import, for the commands alone that compare tasks

        self._identity = identity
        self._seen = 0  # the last auction whose lessons are in
        self._edits = edits  # how often auctions had been amended or deleted by then
        self._matrix: Vector = np.empty((0, 0), np.float32)
        self._filled = 0
        self._rows: dict[int, int] = {}  # text -> row of the matrix
        self._auctions: dict[str, NDArray[np.int64]] = {}
        """By agent: the newest auction of each row's task that teaches it, 0 where none does."""

    def refresh(self, db: Database, identity: tuple[int, int]) -> list[tuple[int, Vector]]:
        """Take in what was recorded since the last time; returns the vectors that had to be computed.

        `identity` tells one file from another. Raises what the embedder raises where a vector is missing.
        """
        with self._lock:
            newest = db.execute(
                "SELECT max(auction) FROM lessons WHERE pool_hash = ? AND prompts_hash = ?", self._hashes
            ).fetchone()[0]
            edits = db.execute("SELECT count FROM edits").fetchone()[0]
            known = (identity, edits) == (self._identity, self._edits)
            if not known or (newest or 0) < self._seen:
                self._forget(identity, edits)
            if newest is None or newest == self._seen:
                return []
            computed = self._add_rows(db)
            found = db.execute(
                "SELECT text, agent, max(auction) FROM lessons"
                " WHERE pool_hash = ? AND prompts_hash = ? AND auction > ? GROUP BY text, agent",
                (*self._hashes, self._seen),
            ).fetchall()
            for text, agent, auction in found:
                self._column(agent)[self._rows[text]] = auction
            self._seen = newest
            return computed

    def _add_rows(self, db: Database) -> list[tuple[int, Vector]]:
        new = db.execute(
            "SELECT l.text, e.vector, e.checksum FROM"
            " (SELECT DISTINCT text FROM lessons"
            " WHERE pool_hash = ? AND prompts_hash = ? AND auction > ?) AS l"
            " LEFT JOIN embeddings AS e ON e.text = l.text AND e.embedder = ?",
            (*self._hashes, self._seen, self._embedder.name),
        ).fetchall()
        vectors: list[tuple[int, Vector]] = []
        computed: list[tuple[int, Vector]] = []
        for text, blob, checksum in new:
            if text in self._rows:
                continue
            # A vector that is not as it was written is made anew.
            vector = intact_vector(text, self._embedder.name, blob, checksum)
            length = self._matrix.shape[1] or (len(vectors[0][1]) if vectors else 0)
            if vector is None or (length and len(vector) != length):
                words = db.execute("SELECT text FROM texts WHERE id = ?", [text]).fetchone()[0]
                vector = unit(self._embedder.embed(as_text(words)))
                computed.append((text, vector))
            vectors.append((text, vector))
        if vectors:
            self._reserve(self._filled + len(vectors), len(vectors[-1][1]))
        for text, vector in vectors:
            # A stored vector of another length than the embedder's is no vector of this embedder: it is like
            # nothing, and zeros say so.
            if len(vector) == self._matrix.shape[1]:
                self._matrix[self._filled] = vector
            self._rows[text] = self._filled
            self._filled += 1
        return computed

    def _reserve(self, rows: int, length: int) -> None:
        import numpy as np

        if rows <= len(self._matrix):
            return
        # Room for as many again as were added, within reason: growth must not copy the matrix each time.
        matrix = np.zeros(
            (rows + max(256, min(rows // 4, 8192)), self._matrix.shape[1] or length), np.float32
        )
        if self._filled:
            matrix[: self._filled] = self._matrix[: self._filled]
        self._matrix = matrix
        for agent, column in self._auctions.items():
            self._auctions[agent] = np.resize(column, len(matrix))
            self._auctions[agent][len(column) :] = 0

    def _column(self, agent: str) -> NDArray[np.int64]:
        import numpy as np

        if agent not in self._auctions:
            self._auctions[agent] = np.zeros(len(self._matrix), np.int64)
        return self._auctions[agent]

    def leave_out(self, auction: int, agent: str) -> None:
        """Teach `agent` no more from this auction, until the file is read anew."""
        with self._lock:
            column = self._column(agent)
            column[column == auction] = 0

    def teaches(self, agent: str) -> bool:
        """Whether any past task holds a lesson for this agent."""
        return agent in self._auctions

    def nearest(self, vector: Vector, agent: str, k: int) -> list[tuple[int, float]]:
        """(auction, cosine) of the k most similar tasks with a lesson for `agent`, most similar first."""
        import numpy as np

        with self._lock:
            column = self._auctions.get(agent)
            if column is None or k < 1 or len(vector) != self._matrix.shape[1]:
                return []
            auctions = column[: self._filled]
            likeness = self._matrix[: self._filled] @ vector
            likeness[auctions == 0] = -np.inf
            top = np.argpartition(likeness, -k)[-k:] if k < len(likeness) else np.arange(len(likeness))
            best = sorted(top, key=lambda row: (-likeness[row], -auctions[row]))
            return [
                (int(auctions[row]), float(np.clip(likeness[row], -1, 1))) for row in best if auctions[row]
            ]


def vector_of(db: Database, embedder: str, text: str) -> Vector | None:
    """The stored vector of a text that was seen before."""
    row = db.execute(
        "SELECT t.id, e.embedder, e.vector, e.checksum FROM texts AS t JOIN embeddings AS e ON e.text = t.id"
        " WHERE t.hash = ? AND e.embedder = ?",
        [text_hash(text), embedder],
    ).fetchone()
    return intact_vector(*row) if row else None


def intact_vector(text: int, embedder: str, blob: bytes | None, checksum: int | None) -> Vector | None:
    """A stored vector; None where there is none, or its bytes are not those that were written."""
    if not isinstance(blob, bytes) or checksum != checksums.of_vector(text, embedder, blob):
        return None
    return unpacked(blob)


def keep_vector(db: Database, text: int, embedder: str, vector: Vector) -> None:
    """Store a text's vector inside the caller's transaction."""
    blob = packed(vector)
    db.execute(
        "INSERT OR REPLACE INTO embeddings (text, embedder, vector, checksum) VALUES (?, ?, ?, ?)",
        [text, embedder, blob, checksums.of_vector(text, embedder, blob)],
    )


def unit(values: object) -> Vector:
    """Float32 of length 1, so that a dot product is the cosine."""
    import numpy as np

    vector: Vector = np.asarray(values, dtype=np.float32)
    length = float(np.linalg.norm(vector))
    return vector / np.float32(length) if length > 0 else vector


def packed(vector: Vector) -> bytes:
    """A vector as little-endian float32."""
    return vector.astype("<f4").tobytes()


def unpacked(blob: bytes | None) -> Vector | None:
    """A vector from its bytes; None where they are not one."""
    import numpy as np

    if not isinstance(blob, bytes) or not blob or len(blob) % 4:
        return None
    vector = np.frombuffer(blob, dtype="<f4").astype(np.float32, copy=False)
    return vector if np.isfinite(vector).all() else None


def as_text(value: str | bytes) -> str:
    """A text column's value; texts with lone surrogates are stored as bytes."""
    return value.decode("utf-8", "surrogatepass") if isinstance(value, bytes) else value
