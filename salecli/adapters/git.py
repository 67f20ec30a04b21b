"""The user's repository: opened, looked at and copied, never written.

A snapshot is HEAD plus the user's uncommitted changes, without `.git`. It reads the user's index from a
copy, and hashes what is new into a private object folder; only `apply.py` and `undo.py` write.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import stat
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from salecli.adapters.objects import EXECUTABLE, FILE, LINK, SUBMODULE, Entry, ObjectFolder
from salecli.adapters.owner import reap_folders, temporary_folder
from salecli.adapters.plumbing import Git, encode, split
from salecli.errors import RepositoryError

MAX_BYTES = 512 << 20
"""A snapshot's files together; more does not fit into a sandbox."""


class Repository:
    """A git repository with a work tree and at least one commit."""

    def __init__(self, path: Path | str) -> None:
        """Open the repository that `path`, a folder at any depth, belongs to.

        Raises:
            RepositoryError: no such folder, no repository, a bare one, one of another user that git does not
                trust, or one without a commit.
        """
        if shutil.which("git") is None:
            raise RepositoryError("git is not installed", "sudo apt-get install git")
        start = Path(path).absolute()
        if not start.is_dir():
            raise RepositoryError(f"{start} is not a folder", "name one: --repo DIR")
        # git looks at whose files these are only while it looks for them itself, so it is asked first.
        self.top = _top(start)
        # GitPython takes a tenth of a second and asks for the git program while it is imported.
        os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
        import git

        try:
            with git.Repo(self.top) as opened:
                self.folder = Path(opened.git_dir).absolute()
        except (git.InvalidGitRepositoryError, git.NoSuchPathError):
            raise RepositoryError(
                f"{self.top} is a work tree whose git folder lies elsewhere (core.worktree)",
                f"git clone {shlex.quote(str(start))}, and run sale in the clone",
            ) from None
        self.git = Git(self.folder, self.top, trusted=True)
        if not self.git.run("rev-parse", "--quiet", "--verify", "HEAD^{commit}", expect=(0, 1, 128)).strip():
            raise RepositoryError(f"{self.top} has no commit yet", "git add -A && git commit -m start")

    @property
    def name(self) -> str:
        """The repository's name, for people."""
        return self.top.name

    @property
    def head(self) -> str:
        """Id of the commit that is checked out."""
        return self.git.text("rev-parse", "HEAD")

    @cached_property
    def objects(self) -> Path:
        """The repository's object folder."""
        return (self.top / self.git.text("rev-parse", "--git-path", "objects")).resolve()

    @cached_property
    def common(self) -> Path:
        """The git folder that all linked work trees share."""
        return (self.top / self.git.text("rev-parse", "--git-common-dir")).resolve()

    @cached_property
    def format(self) -> str:
        """Name of the hash that names objects."""
        return self.git.text("rev-parse", "--show-object-format")

    def private(self, folder: Path) -> ObjectFolder:
        """A private object folder that borrows from this repository."""
        return ObjectFolder(folder, self.objects, self.format)

    def snapshot(self, max_bytes: int = MAX_BYTES, commit: str = "") -> Snapshot:
        """HEAD plus uncommitted changes: changed tracked files, and untracked ones that are not ignored.

        With a `commit`, the files of that commit alone.
        Submodules and LFS pointers stay as they are. What belongs to it lies in a temporary folder, which
        goes when the snapshot is closed; where the process is killed, with the next one.

        Raises:
            RepositoryError: too large, a file that cannot be read, a partial clone that lacks blobs, or no
                such commit.
        """
        reap_folders()
        place = temporary_folder()
        try:
            return self._past(place, max_bytes, commit) if commit else self._snapshot(place, max_bytes)
        except BaseException:
            shutil.rmtree(place, ignore_errors=True)
            raise

    def _past(self, place: Path, max_bytes: int, commit: str) -> Snapshot:
        """The files of one commit."""
        wanted = ("rev-parse", "--quiet", "--verify", "--end-of-options", f"{commit}^{{commit}}")
        head = os.fsdecode(self.git.run(*wanted, expect=(0, 1, 128))).strip()
        if not head:
            raise RepositoryError(
                f"{self.top} has no commit {commit}", "git log --oneline lists them; git fetch gets new ones"
            )
        store = self.private(place)
        tree = store.git.text("rev-parse", f"{head}^{{tree}}")
        _check_size(store.sizes(tree), max_bytes)
        return self._kept(Snapshot(store, tree, store.entries(tree), head, ()), place)

    def _snapshot(self, place: Path, max_bytes: int) -> Snapshot:
        store = self.private(place)
        entries, fresh = self._listed(place)
        _check_size({path: _size(self.top, path) for path in fresh}, max_bytes)
        read = {path: found for path in fresh if (found := content_on_disk(self.top, path)) is not None}
        for path in fresh:
            entries.pop(path, None)
        names = store.add([content for _, content in read.values()])
        for (path, (mode, _)), name in zip(read.items(), names, strict=True):
            entries[path] = Entry(mode, name)
        entries = dict(sorted(entries.items()))
        tree = store.tree(entries)
        _check_size(store.sizes(tree), max_bytes)
        head = self.head
        dirty = tuple(item.path for item in store.differences(f"{head}^{{tree}}", tree))
        return self._kept(Snapshot(store, tree, entries, head, dirty), place)

    def _kept(self, taken: Snapshot, place: Path) -> Snapshot:
        """The snapshot with its tar; what it lies in goes with it."""
        taken.store.write_tar(taken.entries, taken.tar)
        taken.remove = weakref.finalize(taken, shutil.rmtree, place, True)
        return taken

    def _listed(self, place: Path) -> tuple[dict[str, Entry], list[str]]:
        """What the index holds, and the paths whose files on disk may differ from it."""
        index = Path(self.top / self.git.text("rev-parse", "--git-path", "index"))
        copy = place / "user-index"
        extra = {"GIT_INDEX_FILE": str(copy)}
        if index.exists():
            # With its time: git compares it with the files' to see which entries it cannot trust.
            shutil.copy2(index, copy)
        else:
            self.git.run("read-tree", "HEAD", extra=extra)
        entries: dict[str, Entry] = {}
        for line in split(self.git.run("ls-files", "--stage", "-z", extra=extra)):
            head, _, path = line.partition("\t")
            mode, name, _ = head.split(" ")
            entries[path] = Entry(mode, name)
        # Where times alone do not tell, git compares contents: as they are, without the user's filters.
        extra |= self._without_filters()
        changed = self.git.run(
            "diff-files", "--raw", "-z", "--no-renames", "--ignore-submodules=all", extra=extra
        )
        untracked = self.git.run("ls-files", "--others", "--exclude-standard", "-z", extra=extra)
        copy.unlink()
        fresh = split(changed)[1::2] + split(untracked)
        kept = [path for path in dict.fromkeys(fresh) if not path.endswith("/")]
        return entries, [path for path in kept if path not in entries or entries[path].mode != SUBMODULE]

    def _without_filters(self) -> dict[str, str]:
        """The environment in which no filter program of the user's configuration runs."""
        pattern = r"^filter\..*\.(clean|process|required)$"
        found = self.git.run("config", "-z", "--name-only", "--get-regexp", pattern, expect=(0, 1))
        first = int(os.environ.get("GIT_CONFIG_COUNT") or 0)
        extra = {}
        for number, name in enumerate(dict.fromkeys(split(found)), first):
            extra[f"GIT_CONFIG_KEY_{number}"] = name
            extra[f"GIT_CONFIG_VALUE_{number}"] = "false" if name.endswith(".required") else ""
            extra["GIT_CONFIG_COUNT"] = str(number + 1)
        return extra


@dataclass(eq=False)
class Snapshot:
    """A repository's files at one moment, without its history."""

    store: ObjectFolder
    tree: str
    """Tree id: the base of every patch made from it."""
    entries: dict[str, Entry]
    head: str
    """The commit that was checked out."""
    dirty: tuple[str, ...]
    """Paths in which the snapshot differs from that commit."""
    remove: weakref.finalize[[str], Snapshot] | None = None
    """Removes the temporary folder that all of this lies in."""

    @property
    def files(self) -> tuple[str, ...]:
        """Every path, sorted; submodules left out."""
        return tuple(path for path, entry in self.entries.items() if entry.mode != SUBMODULE)

    @property
    def tar(self) -> Path:
        """The files as an uncompressed tar."""
        return self.store.folder / "base.tar"

    def read(self, path: str) -> str | None:
        """A file's text, None where there is none; undecodable bytes are replaced."""
        entry = self.entries.get(path)
        if entry is None or entry.mode in (SUBMODULE, LINK):
            return None
        return self.store.blob(entry.id).decode("utf-8", "replace")

    def close(self) -> None:
        """Remove the snapshot from the disk; safe to call twice."""
        if self.remove:
            self.remove()

    def __enter__(self) -> Snapshot:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _top(start: Path) -> Path:
    """The top of the work tree that `start` lies in, found by git under git's own rules of trust."""
    try:
        said = Git(None, start, trusted=True).run("rev-parse", "--show-toplevel")
    except RepositoryError as error:
        owned = re.search(r"(?:dubious ownership in|unsafe) repository (?:at |\()'(.+?)'", error.message)
        if owned:
            raise RepositoryError(
                f"{owned[1]} belongs to another user, and git does not trust it",
                f"git config --global --add safe.directory {shlex.quote(owned[1])}",
            ) from None
        if "not a git repository" in error.message:
            raise RepositoryError.none(start) from None
        if "work tree" in error.message or "bare repository" in error.message:
            raise RepositoryError(
                f"{start} is a bare repository", "clone it, and run sale in the clone"
            ) from None
        raise
    return Path(os.fsdecode(said.removesuffix(b"\n")))


def content_on_disk(top: Path, path: str) -> tuple[str, bytes] | None:
    """Mode and content of a file on disk, None where there is no file or link."""
    file = os.fsencode(top) + b"/" + encode(path)
    try:
        state = os.lstat(file)
        if stat.S_ISLNK(state.st_mode):
            return LINK, os.readlink(file)  # noqa: PTH115  bytes, as they are
        if not stat.S_ISREG(state.st_mode):
            return None
        with open(file, "rb") as opened:
            return EXECUTABLE if state.st_mode & 0o100 else FILE, opened.read()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise RepositoryError(
            f"{path}: {error.strerror}", "make it readable, or add it to .gitignore"
        ) from error


def _size(top: Path, path: str) -> int:
    try:
        return os.lstat(os.fsencode(top) + b"/" + encode(path)).st_size
    except OSError:
        return 0


def _check_size(sizes: Mapping[str, int], limit: int) -> None:
    """Refuse files that do not fit into a sandbox, before they are read."""
    total = sum(sizes.values())
    if total > limit:
        largest = max(sizes, key=sizes.__getitem__)
        raise RepositoryError(
            f"the repository's files take {total >> 20} MB, more than the {limit >> 20} MB of a sandbox; "
            f"the largest is {ascii(largest)[1:-1]} with {sizes[largest] >> 20} MB",
            "add large files to .gitignore, or keep them with LFS",
        )
