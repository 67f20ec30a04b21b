"""The journal of changes to the user's files: a commit that holds them before and after, under refs/sale.

It is there before the first byte is written, so that whatever happens then can be finished, rolled back or
taken back: refs/sale/applying/WORKTREE names the one under way, refs/sale/backup/RUN/NUMBER those done.
Nothing else of `.git` changes but for the objects that these commits hold.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import re
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from salecli.adapters import policy
from salecli.adapters.git import Repository
from salecli.adapters.objects import Difference, Entry, ObjectFolder
from salecli.adapters.plumbing import Git, encode, split
from salecli.adapters.points import reached
from salecli.errors import RepositoryError

BACKUPS = "refs/sale/backup"
_UNDER_WAY = "refs/sale/applying"
KEPT_DAYS = 90
"""Days after which a backup is dropped by the next apply: as long as git keeps its reflogs."""
_PATIENCE = 5.0
"""Seconds to wait for another process that applies a patch in the same repository."""
_RUN = re.compile(r"[\w.-]{1,64}", re.ASCII)
_DURABLE = ("-c", "core.fsync=committed,loose-object,reference", "-c", "core.logAllRefUpdates=false")


@dataclass(frozen=True, slots=True)
class Backup:
    """What one apply, or one undo, changes of the user's files."""

    run: str
    changed: tuple[Difference, ...]
    bits: Mapping[str, tuple[int, int]]
    """The permissions of each file, before and after."""
    made: tuple[str, ...] = ()
    """Folders that the patch brought along: taking it back removes them, and no others."""
    diff: str = ""
    """A hash of the patch."""
    undoes: str = ""
    """The ref of the backup that this takes back."""
    commit: str = ""
    ref: str = ""

    @property
    def staging(self) -> str:
        """Name of the folder at the top of the repository in which it is prepared."""
        return f".sale-apply-{self.commit[:16]}"

    @property
    def permissions(self) -> dict[str, int]:
        """The permissions of the new files."""
        return {path: bits[1] for path, bits in self.bits.items()}

    def drops(self, folder: str) -> bool:
        """Whether a folder goes once it is empty: as in git, but what was there before is left there."""
        return not self.undoes or folder in self.made

    def reversed(self) -> Backup:
        """What takes this back."""
        return replace(
            self,
            changed=tuple(Difference(one.path, one.after, one.before) for one in self.changed),
            bits={path: (new, old) for path, (old, new) in self.bits.items()},
            undoes="" if self.undoes else self.ref or _UNDER_WAY,
            commit="",
            ref="",
        )


@contextmanager
def locked(repository: Repository) -> Iterator[None]:
    """Keep every other process from applying to this repository, or to a work tree linked to it.

    Raises:
        RepositoryError: another process is at it, and did not end.
    """
    common = repository.common
    lock = os.open(common, os.O_RDONLY)
    try:
        until = time.monotonic() + _PATIENCE
        while not _taken(lock, common):
            if time.monotonic() > until:
                raise RepositoryError(
                    f"another sale is applying a patch in {repository.top}",
                    "wait until it has ended, then try again",
                )
            time.sleep(0.05)
        # Nobody else is here: a lock that a dead git left on one of our refs is nobody's.
        for stale in (common / "refs" / "sale").rglob("*.lock"):
            stale.unlink(missing_ok=True)
        yield
    finally:
        os.close(lock)


def _taken(lock: int, common: Path) -> bool:
    """Try to lock the git folder itself: no file is left there, and a killed process holds nothing."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in (errno.EBADF, errno.ENOLCK, errno.EOPNOTSUPP):
            raise RepositoryError(f"{common} cannot be locked: {error.strerror}") from error
        # A network file system locks no folders: refs that change under us are refused by git all the same.
    return True


def pending(top: Path) -> bool:
    """Whether an apply was cut short in this repository, or is under way; cheap."""
    if shutil.which("git") is None:
        return False
    try:
        return bool(Git(None, top, trusted=True).run("for-each-ref", "--count=1", _UNDER_WAY))
    except RepositoryError:
        return False  # whoever opens it says why


def applied(top: Path, run: str) -> bool:
    """Whether the files of this repository hold a run's patch, as far as is known here."""
    try:
        return bool(Git(None, top, trusted=True).run("for-each-ref", "--count=1", f"{BACKUPS}/{run}"))
    except (RepositoryError, OSError):
        return False


def begin(repository: Repository, store: ObjectFolder, backup: Backup) -> Backup:
    """Write the journal: all that is to be changed, before and after, durably in the repository."""
    tree = _tree(store, backup)
    said = {
        "run": backup.run,
        "diff": backup.diff,
        "undoes": backup.undoes,
        "made": backup.made,
        "bits": backup.bits,
    }
    who = {
        f"GIT_{role}_{part}": value
        for role in ("AUTHOR", "COMMITTER")
        for part, value in (("NAME", "sale"), ("EMAIL", "sale@localhost"))
    }
    message = json.dumps(said).encode("ascii")
    commit = store.git.run("commit-tree", tree, feed=message, extra=who).decode("ascii").strip()
    reached("apply")
    packed = store.git.run(
        "pack-objects", "--stdout", "--revs", "--local", "--window=0", "-q", feed=commit.encode() + b"\n"
    )
    repository.git.run(*_DURABLE, "unpack-objects", "-q", feed=packed)
    reached("apply")
    _update(repository, f"create {_under_way(repository)} {commit}")
    return replace(backup, commit=commit)


def _tree(store: ObjectFolder, backup: Backup) -> str:
    """A tree of two folders: the files before, and after."""
    sides = {
        "before": {one.path: one.before for one in backup.changed if one.before},
        "after": {one.path: one.after for one in backup.changed if one.after},
    }
    lines = [f"040000 tree {store.tree(entries)}\t{name}\n" for name, entries in sorted(sides.items())]
    return store.git.run("mktree", feed="".join(lines).encode("ascii")).decode("ascii").strip()


def end(repository: Repository, backup: Backup, *, keep: bool) -> str:
    """Close the journal; `keep` what was done: an apply's backup, whose ref is returned, stays.

    An undo that was done drops the backup that it took back. Backups that are too old go along with it.
    """
    there = _refs(repository, BACKUPS)
    lines = [f"delete {_under_way(repository)}"]
    ref = next((one for one, commit, _ in there if commit == backup.commit), "")
    if backup.undoes:
        lines += [f"delete {one}" for one, _, _ in there if keep and one == backup.undoes]
    elif keep and not ref:
        of_run = (one for one, _, _ in there if one.startswith(f"{BACKUPS}/{backup.run}/"))
        ref = f"{BACKUPS}/{backup.run}/{1 + max(map(_number, of_run), default=0)}"
        lines.append(f"create {ref} {backup.commit}")
    old = time.time() - KEPT_DAYS * 86_400
    lines += [f"delete {one}" for one, _, when in there if when < old and one != backup.undoes]
    reached("apply")
    _update(repository, *lines)
    reached("apply")
    return ref


def under_way(repository: Repository) -> Backup | None:
    """The journal of an apply or undo in this work tree that was not closed."""
    found = _refs(repository, _under_way(repository))
    return _backup(repository, *found[0][:2]) if found else None


def newest(repository: Repository, run: str) -> Backup | None:
    """The last backup of a run: what of it was applied last, and not taken back."""
    found = _refs(repository, f"{BACKUPS}/{run}")
    return _backup(repository, *max(found, key=lambda one: _number(one[0]))[:2]) if found else None


def _number(ref: str) -> int:
    number = ref.rpartition("/")[2]
    return int(number) if number.isdecimal() else 0


def _refs(repository: Repository, pattern: str) -> list[tuple[str, str, int]]:
    """Name, commit and seconds since 1970 of the refs at or below a name."""
    wanted = "--format=%(refname) %(objectname) %(committerdate:unix)"
    lines = repository.git.text("for-each-ref", wanted, pattern).splitlines()
    return [(ref, commit, int(when)) for ref, commit, when in (line.split(" ") for line in lines)]


def _backup(repository: Repository, ref: str, commit: str) -> Backup:
    git = repository.git
    try:
        said = json.loads(git.run("cat-file", "commit", commit).partition(b"\n\n")[2])
        before: dict[str, Entry] = {}
        after: dict[str, Entry] = {}
        for line in split(git.run("ls-tree", "-r", "-z", "--full-tree", commit)):
            head, _, name = line.partition("\t")
            mode, _, blob = head.split(" ")
            side, _, path = name.partition("/")
            {"before": before, "after": after}[side][path] = Entry(mode, blob)
        paths = sorted({*before, *after}, key=encode)
        # Who made this repository may have made its refs: what they say is not believed either.
        if any(policy.refusal(path) for path in paths) or not _RUN.fullmatch(said["run"]):
            raise ValueError(said["run"])
        return Backup(
            said["run"],
            tuple(Difference(name, before.get(name), after.get(name)) for name in paths),
            {name: (int(old), int(new)) for name, (old, new) in said["bits"].items()},
            tuple(said["made"]),
            said["diff"],
            said["undoes"],
            commit,
            ref,
        )
    except (ValueError, KeyError, TypeError) as error:
        raise RepositoryError(
            f"{ref} is no backup of sale's",
            f"look at it: git show {ref}; or drop it: git update-ref -d {ref}",
        ) from error


def _update(repository: Repository, *lines: str) -> None:
    feed = "".join(f"{line}\n" for line in lines).encode()
    repository.git.run(*_DURABLE, "update-ref", "--stdin", feed=feed)


def _under_way(repository: Repository) -> str:
    """The name of the journal that is not closed: one for every linked work tree."""
    common, own = repository.common, repository.folder.resolve()
    return f"{_UNDER_WAY}/{'main' if own == common else own.relative_to(common)}"
