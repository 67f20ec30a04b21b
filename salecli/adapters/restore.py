"""Restoring a damaged memory file: nothing is overwritten, and all that can be read comes back.

The damaged file is set aside, in a folder NAME.damaged beside it. What takes its place is the last copy, and
with it every auction of the damaged file that is newer and as it was written, under its old number. It
appears at once and complete; a restore that is killed is done again from what was set aside.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from salecli.adapters import checksums, records, schema
from salecli.adapters.copies import flush
from salecli.adapters.examine import examine
from salecli.adapters.locks import Place, locked
from salecli.adapters.recall import intact_vector, keep_vector
from salecli.adapters.sqlitefaults import busy
from salecli.adapters.sqlitefile import PATIENCE, copy_of, head, prepare, reading, writing
from salecli.core.words import plural
from salecli.errors import MemoryDamaged, MemoryFault

if TYPE_CHECKING:
    from sqlite_utils import Database

    from salecli.adapters.recall import Vector
    from salecli.core.values import Auction

_UNREADABLE = (MemoryFault, sqlite3.DatabaseError, UnicodeDecodeError, KeyError, ValueError)
"""What reading a damaged auction may end with."""
_NAMED = 10
"""Lost auctions that are named; of more, how many there are."""


@dataclass(frozen=True, slots=True)
class Restored:
    """What came back, and what did not."""

    path: Path
    why: str
    aside: Path | None
    """Where the damaged file stands now; None where there was none left."""
    copied: int | None
    """Auctions of the copy; None where there was no copy to use."""
    made: float
    """When the copy was made, seconds since 1970."""
    saved: int
    """Auctions that came from the damaged file alone."""
    lost: tuple[int, ...]
    """Auctions that are known to have been there, and could be read nowhere."""
    all_known: bool
    """Whether the damaged file still told which auctions it held."""

    @property
    def message(self) -> str:
        """The whole story in one line."""
        parts = []
        if self.copied is not None:
            when = datetime.fromtimestamp(self.made).astimezone().strftime("%Y-%m-%d %H:%M")
            parts.append(f"{plural(self.copied, 'auction')} from the copy of {when}")
        if self.saved or self.copied is None:
            parts.append(f"{plural(self.saved, 'auction')} from the damaged file")
        said = f"{self.why}. It was restored: {' and '.join(parts)}; {self._missing()}"
        return f"{said}. The damaged file stands in {self.aside}" if self.aside else said

    def _missing(self) -> str:
        if self.lost:
            named = f": {', '.join(map(str, self.lost))}" if len(self.lost) <= _NAMED else ""
            known = f"{plural(len(self.lost), 'auction')} could not be saved{named}"
            return known if self.all_known else f"{known}, and more may be missing"
        if self.all_known:
            return "none is missing"
        return "newer ones may be missing" if self.copied is not None else "others may be missing"


def whole(path: Path) -> int | None:
    """How many auctions a memory file without open connections holds; None where its pages are not sound."""
    try:
        if not head(path):  # SQLite would tidy away the -wal of an empty file
            return None
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
    except (OSError, sqlite3.Error):
        return None
    try:
        application = connection.execute("PRAGMA application_id").fetchone()[0]
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if application != schema.APPLICATION or not 0 < version <= schema.LATEST:
            return None
        if connection.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
            return None
        return int(connection.execute("SELECT count(*) FROM auctions").fetchone()[0])
    except (sqlite3.Error, UnicodeDecodeError):
        return None
    finally:
        connection.close()


@dataclass(frozen=True, slots=True)
class Copy:
    """The copy of a memory file."""

    path: Path
    made_at: str
    """UTC, ISO 8601."""
    auctions: int


def copied(path: Path) -> Copy | None:
    """The copy of a memory file; None where there is none that can be used."""
    copy = copy_of(path)
    count = whole(copy)
    if count is None:
        return None
    made = datetime.fromtimestamp(copy.stat().st_mtime, UTC)
    return Copy(copy, made.isoformat(timespec="seconds"), count)


def needed(path: Path) -> str:
    """Why a memory file has to be restored, after a full check; empty where it is sound or not there.

    Raises:
        MemoryFault: it is no memory file of ours, or cannot be read for another reason than damage.
    """
    if not os.path.lexists(path) and not copy_of(path).exists():
        return ""
    try:
        prepare(path)
        found = examine(path)
    except MemoryDamaged as damage:
        return damage.message
    if found.sound:
        return ""
    what = found.pages[0] if found.pages else f"{plural(len(found.changed), 'auction')} not as written"
    return f"the memory file {path} is damaged: {what}"


def mend(path: Path, damage: MemoryDamaged) -> Restored | None:
    """Restore a file that was found damaged where there is a sound copy; None where that is done already.

    Raises:
        MemoryDamaged: `damage`, where there is no sound copy: then the user decides.
    """
    if whole(copy_of(path)) is None:
        raise damage
    return restore(path, damage.message, unless_whole=True)


def restore(path: Path, why: str, unless_whole: bool = False) -> Restored | None:
    """Set a memory file aside and put in its place what can be saved of it and of its copy.

    `unless_whole` does nothing where its pages are sound, as after another process's restore.

    Raises:
        MemoryFault: it is in use, or there is no room; then all is as it was.
    """
    with locked(path, Place.CONNECTED, PATIENCE) as alone:
        if not alone:
            raise busy(path)
        if unless_whole and whole(path) is not None:
            return None
        room = path.with_name(path.name + ".restoring")
        try:
            shutil.rmtree(room, ignore_errors=True)  # of a process that was killed
            room.mkdir(mode=0o700)
            aside = _set_aside(path)
            done = _rebuilt(path, room, aside, why)
            # The damaged file's -wal must not be read into the new one.
            for end in ("-wal", "-shm"):
                path.with_name(path.name + end).unlink(missing_ok=True)
            flush(path.absolute().parent)
            (room / "new").replace(path)
            flush(path.absolute().parent)
        except OSError as error:
            raise MemoryFault(
                f"the memory file {path} cannot be restored: {error.strerror}",
                f"make room and look at permissions: df -h {path.absolute().parent}",
            ) from error
        finally:
            shutil.rmtree(room, ignore_errors=True)
    return done


def _set_aside(path: Path) -> Path | None:
    """Keep the damaged file and its -wal under a second name, in a folder of its own."""
    if not os.path.lexists(path):
        return None
    number, folder = 1, path.with_name(path.name + ".damaged")
    while os.path.lexists(folder):
        kept = folder / path.name
        if kept.exists() and kept.samefile(path):  # a restore that was killed had come so far
            return folder
        number += 1
        folder = path.with_name(f"{path.name}.damaged-{number}")
    folder.mkdir(mode=0o700)
    for end in ("-wal", ""):  # the file last: it says that all is here
        source = path.with_name(path.name + end)
        if source.exists():
            try:
                os.link(source, folder / source.name)
            except OSError:  # a file system without links
                shutil.copy2(source, folder / source.name)
    flush(folder)
    return folder


def _rebuilt(path: Path, room: Path, aside: Path | None, why: str) -> Restored:
    """Make the file `new` in `room`, from the copy and what was set aside."""
    new, old, copy = room / "new", room / "old", copy_of(path)
    copied, made = whole(copy), 0.0
    if copied is not None:
        made = copy.stat().st_mtime
        shutil.copyfile(copy, new)
        new.chmod(0o600)
    prepare(new)
    saved, lost, all_known = 0, list[int](), False
    if aside is not None:
        for end in ("", "-wal"):
            source = aside / (path.name + end)
            if source.exists():
                shutil.copyfile(source, room / f"old{end}")
        if head(old):  # an empty one would be made a new memory of no auctions
            saved, lost, all_known = _save(old, new)
    flush(new)
    return Restored(path, why, aside, copied, made, saved, tuple(lost), all_known)


def _save(old: Path, new: Path) -> tuple[int, list[int], bool]:
    """Bring what is newer in `old` into `new`; (saved, lost, whether all that were there are known)."""
    found = 0, list[int](), False
    try:
        with suppress(MemoryDamaged), writing(old):
            pass  # brought up to date where that still goes
        _index_anew(old)
        with reading(old):
            pass
    except MemoryFault:
        return found
    with suppress(MemoryDamaged), reading(old) as source, writing(new) as target:
        found = _saved(source, target)
    return found


def _index_anew(old: Path) -> None:
    """Build those indices anew that cannot be read: what they lead to may be as it was."""
    connection = sqlite3.connect(old, isolation_level=None)
    try:
        broken = []
        question = "SELECT name, tbl_name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
        for name, table, statement in connection.execute(question).fetchall():
            try:
                connection.execute(f'SELECT count(*) FROM "{table}" INDEXED BY "{name}"').fetchone()
            except sqlite3.DatabaseError:
                broken.append((name, statement))
        connection.execute("PRAGMA writable_schema = ON")
        for name, _ in broken:
            connection.execute("DELETE FROM sqlite_master WHERE type = 'index' AND name = ?", [name])
        connection.execute("PRAGMA writable_schema = RESET")
        for _, statement in broken:
            with suppress(sqlite3.DatabaseError):  # without it all rows are looked through
                connection.execute(statement)
    except sqlite3.DatabaseError:
        return
    finally:
        connection.close()


def _saved(source: Database, target: Database) -> tuple[int, list[int], bool]:
    held = dict(target.execute("SELECT id, checksum FROM auctions").fetchall())
    there, all_known = _known(source)
    saved, lost = 0, []
    for number, checksum in sorted(there.items()):
        if number in held and held[number] == checksum and checksums.sound(target, number):
            continue
        found = _read(source, number)
        if found is None and number in held and checksums.sound(target, number):
            continue  # as it was before it was amended
        if number in held:
            _remove(target, number)
        if found is None:
            lost.append(number)
            continue
        auction, created, vectors = found
        records.insert(target, auction, created, number)
        text = records.text_id(target, auction.task.text)
        for embedder, vector in vectors:
            keep_vector(target, text, embedder, vector)
        saved += 1
    return saved, lost, all_known


def _known(source: Database) -> tuple[dict[int, int | None], bool]:
    """Numbers and checksums of the auctions that a damaged file names, read from both ends of its table."""
    found: dict[int, int | None] = {}
    whole_table = True
    for order in ("ASC", "DESC"):
        try:
            for number, checksum in source.execute(f"SELECT id, checksum FROM auctions ORDER BY id {order}"):
                found[number] = checksum
        except sqlite3.DatabaseError:
            whole_table = False
    return found, whole_table


def _read(source: Database, number: int) -> tuple[Auction, str, list[tuple[str, Vector]]] | None:
    """An auction that is as it was written, when it was recorded, and its text's vectors."""
    try:
        auction = records.load(source, number)
        row = source.execute("SELECT created_at FROM auctions WHERE id = ?", [number]).fetchone()
        return auction, row[0], list(_vectors(source, auction.task.text))
    except _UNREADABLE:
        return None


def _vectors(source: Database, text: str) -> Iterator[tuple[str, Vector]]:
    try:
        rows = source.execute(
            "SELECT t.id, e.embedder, e.vector, e.checksum FROM texts AS t"
            " JOIN embeddings AS e ON e.text = t.id WHERE t.hash = ?",
            [records.text_hash(text)],
        ).fetchall()
    except sqlite3.DatabaseError:
        return  # they are made anew
    for row in rows:
        vector = intact_vector(*row)
        if vector is not None:
            yield row[1], vector


def _remove(target: Database, number: int) -> None:
    """Delete an older state of an auction; what other auctions learned from it is left as it is."""
    target.execute("DELETE FROM verdicts WHERE work IN (SELECT id FROM works WHERE auction = ?)", [number])
    for table in ("lessons", "marks", "scores", "overrides", "bids", "works"):
        target.execute(f"DELETE FROM {table} WHERE auction = ?", [number])
    target.execute("DELETE FROM auctions WHERE id = ?", [number])
