"""Questions about the whole memory: lists, searches, sums."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from salecli.adapters.recall import as_text, intact_vector, unit, vector_of
from salecli.adapters.records import stored

if TYPE_CHECKING:
    from sqlite_utils import Database

    from salecli.core.ports import Embedder


@dataclass(frozen=True, slots=True)
class Remembered:
    """One remembered auction, in a line."""

    id: int
    run: str
    created_at: str
    """UTC, ISO 8601."""
    pool: str
    repository: str
    title: str
    winner: str
    refined: bool
    """Whether the winning bid was a refined one."""
    overridden: bool
    """Whether the user chose the winner."""
    solved: bool
    solved_by: str | None
    usd: float
    score: float | None = None
    """The winning bid's cost minus value."""
    likeness: float | None = None
    """Cosine to what was searched for."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which auctions a list shall hold; what is empty or None leaves none out."""

    words: str = ""
    """In the task or a plan; ASCII letters match in either case."""
    winner: str = ""
    solved: bool | None = None
    repository: str | None = None


_LINES = (
    "SELECT a.id, a.run, a.created_at, a.pool, k.repository, k.title, a.winner, a.winner_refined,"
    " o.auction IS NOT NULL, a.solved, a.solved_by, a.usd,"
    " (SELECT s.cost - s.entropy - s.jury FROM scores AS s WHERE s.auction = a.id AND s.agent = a.winner"
    " AND s.refined = a.winner_refined ORDER BY s.id DESC LIMIT 1) FROM auctions AS a"
    " JOIN tasks AS k ON k.id = a.task JOIN texts AS t ON t.id = k.text"
    " LEFT JOIN overrides AS o ON o.auction = a.id"
)


def newest(
    db: Database, limit: int, wanted: Wanted | None = None, before: int | None = None
) -> list[Remembered]:
    """The last auctions, newest first; `before` goes on below an id: a long list comes in parts."""
    where, values = _conditions(wanted or Wanted())
    if before is not None:
        where.append("a.id < :before")
        values["before"] = before
    rows = db.execute(
        f"{_LINES} WHERE {' AND '.join(where)} ORDER BY a.id DESC LIMIT :limit", {**values, "limit": limit}
    )
    return [_line(row) for row in rows]


def containing(db: Database, words: str, limit: int) -> list[Remembered]:
    """Auctions whose task or plans hold `words`, newest first; ASCII letters match in either case."""
    return newest(db, limit, Wanted(words=words))


def _conditions(wanted: Wanted) -> tuple[list[str], dict[str, object]]:
    where, values = ["1"], dict[str, object]()
    if wanted.words:
        # An argument may hold bytes that are no UTF-8.
        words = wanted.words.encode("utf-8", "replace").decode()
        values["like"] = "%" + words.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
        where.append(
            "(t.text LIKE :like ESCAPE '\\' OR k.title LIKE :like ESCAPE '\\' OR EXISTS"
            " (SELECT 1 FROM bids AS b WHERE b.auction = a.id AND b.plan LIKE :like ESCAPE '\\'))"
        )
    if wanted.winner:
        where.append("a.winner = :winner")
        values["winner"] = stored(wanted.winner)
    if wanted.solved is not None:
        where.append("a.solved = :solved")
        values["solved"] = wanted.solved
    if wanted.repository is not None:
        where.append("k.repository = :repository")
        values["repository"] = stored(wanted.repository)
    return where, values


def choices(db: Database) -> tuple[list[str], list[str]]:
    """(winners, repositories) that a list may be narrowed to, the most frequent first."""
    winners = db.execute("SELECT winner FROM auctions GROUP BY 1 ORDER BY count(*) DESC, 1")
    repositories = db.execute("SELECT repository FROM tasks GROUP BY 1 ORDER BY count(*) DESC, 1")
    return [as_text(row[0]) for row in winners], [as_text(row[0]) for row in repositories if row[0]]


def alike(
    db: Database, words: str, embedder: Embedder, limit: int, among: Wanted | None = None
) -> list[Remembered]:
    """Auctions of the tasks most like `words` by their embeddings, most alike first.

    Tasks without a stored vector are left out. Raises what the embedder raises.
    """
    import numpy as np

    known = vector_of(db, embedder.name, words)
    wanted = unit(embedder.embed(words)) if known is None else known
    texts, vectors = [], []
    stored_vectors = "SELECT text, embedder, vector, checksum FROM embeddings WHERE embedder = ?"
    for text, *row in db.execute(stored_vectors, [embedder.name]):
        vector = intact_vector(text, *row)
        if vector is not None and len(vector) == len(wanted):
            texts.append(text)
            vectors.append(vector)
    if not texts:
        return []
    likeness = np.stack(vectors) @ wanted
    where, values = _conditions(among or Wanted())
    question = f"{_LINES} WHERE {' AND '.join(where)} AND k.text = :text ORDER BY a.id DESC"
    found: list[Remembered] = []
    for row in np.argsort(-likeness, kind="stable"):
        lines = db.execute(question, {**values, "text": texts[row]})
        found += [_line(line, float(np.clip(likeness[row], -1, 1))) for line in lines]
        if len(found) >= limit:
            break
    return found[:limit]


def _line(row: Sequence[Any], likeness: float | None = None) -> Remembered:
    number, run, created, pool, repository, title, winner, refined, overridden, solved, solver, *sums = row
    usd, score = sums
    return Remembered(
        id=number,
        run=as_text(run),
        created_at=created,
        pool=as_text(pool),
        repository=as_text(repository),
        title=as_text(title),
        winner=as_text(winner),
        refined=bool(refined),
        overridden=bool(overridden),
        solved=bool(solved),
        solved_by=solver and as_text(solver),
        usd=usd,
        score=score,
        likeness=likeness,
    )


def find(db: Database, name: str) -> int | None:
    """The id of the auction with this id or run id; the newest one where a run held several."""
    if name.isascii() and name.isdigit() and len(name) < 19:
        row = db.execute("SELECT id FROM auctions WHERE id = ?", [int(name)]).fetchone()
        if row:
            return int(row[0])
    row = db.execute("SELECT max(id) FROM auctions WHERE run = ?", [stored(name)]).fetchone()
    return None if row[0] is None else int(row[0])


def recorded_at(db: Database, number: int) -> str:
    """When an auction was recorded, UTC, ISO 8601; empty where there is none."""
    row = db.execute("SELECT created_at FROM auctions WHERE id = ?", [number]).fetchone()
    return str(row[0]) if row else ""


def titles(db: Database, numbers: Sequence[int]) -> dict[int, str]:
    """The tasks' titles of those of these auctions that are there."""
    found = {}
    for number in numbers:
        question = "SELECT k.title FROM auctions AS a JOIN tasks AS k ON k.id = a.task WHERE a.id = ?"
        row = db.execute(question, [number]).fetchone()
        if row:
            found[number] = as_text(row[0])
    return found


def ids(db: Database) -> Iterator[tuple[int, str]]:
    """(id, created_at) of every auction, oldest first."""
    for number, created in db.execute("SELECT id, created_at FROM auctions ORDER BY id").fetchall():
        yield int(number), created


@dataclass(frozen=True, slots=True)
class Share:
    """What one agent did in all remembered auctions."""

    agent: str
    bids: int
    """Auctions in which it bid."""
    refined: int
    """Bids that it rewrote after reading past plans."""
    wins: int
    """Auctions that it won; they sum to all auctions."""
    refined_wins: int
    """Of these, with a rewritten bid."""
    works: int
    """Plans that it carried out."""
    solved: int
    """Auctions whose task its work solved; they sum to all solved ones."""


@dataclass(frozen=True, slots=True)
class Sums:
    """All remembered auctions in numbers."""

    auctions: int
    tasks: int
    """Different task texts."""
    solved: int
    refined: int
    refined_wins: int
    overrides: int
    lessons: int
    """Auctions that teach at least one agent."""
    tokens: int
    usd: float
    usd_largest: float
    """What the dearest agent alone would have cost."""
    agents: tuple[Share, ...]
    """Most wins first."""


def sums(db: Database) -> Sums:
    """All remembered auctions in numbers; the agents' wins and solved tasks add up to the totals."""
    total = db.execute(
        "SELECT count(*), coalesce(sum(solved), 0), coalesce(sum(winner_refined), 0),"
        " coalesce(sum(tokens), 0), coalesce(sum(usd), 0.0), coalesce(sum(usd_largest), 0.0) FROM auctions"
    ).fetchone()
    counts: dict[str, dict[str, int]] = {}
    questions = {
        "bids": "SELECT agent, count(DISTINCT auction) FROM bids GROUP BY agent",
        "refined": "SELECT agent, sum(refined) FROM bids GROUP BY agent",
        "wins": "SELECT winner, count(*) FROM auctions GROUP BY winner",
        "refined_wins": "SELECT winner, sum(winner_refined) FROM auctions GROUP BY winner",
        "works": "SELECT agent, count(*) FROM works GROUP BY agent",
        "solved": "SELECT solved_by, count(*) FROM auctions WHERE solved GROUP BY solved_by",
    }
    for name, question in questions.items():
        for agent, count in db.execute(question):
            counts.setdefault(as_text(agent), dict.fromkeys(questions, 0))[name] = count
    agents = [Share(agent=agent, **values) for agent, values in counts.items()]
    return Sums(
        auctions=total[0],
        tasks=_count(db, "SELECT count(DISTINCT k.text) FROM auctions AS a JOIN tasks AS k ON k.id = a.task"),
        solved=total[1],
        refined=sum(agent.refined for agent in agents),
        refined_wins=total[2],
        overrides=_count(db, "SELECT count(*) FROM overrides"),
        lessons=_count(db, "SELECT count(DISTINCT auction) FROM lessons"),
        tokens=total[3],
        usd=total[4],
        usd_largest=total[5],
        agents=tuple(sorted(agents, key=lambda one: (-one.wins, -one.solved, one.agent))),
    )


def _count(db: Database, question: str) -> int:
    return int(db.execute(question).fetchone()[0])
