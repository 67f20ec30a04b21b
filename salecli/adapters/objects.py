"""A private object folder: blobs, trees and diffs beside the user's repository, which is only read.

A bare git directory of our own whose objects borrow from the user's by alternates. Everything that came
out of a sandbox is hashed here, as bytes; no git command ever runs in a tree that a sandbox wrote.
"""

from __future__ import annotations

import hashlib
import tarfile
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from salecli.adapters.plumbing import Git, encode, split
from salecli.errors import PatchRefused, RepositoryError

FILE, EXECUTABLE, LINK, SUBMODULE = "100644", "100755", "120000", "160000"
DIFF_OPTIONS = (
    "-p",
    "--no-renames",
    "--binary",
    "--full-index",
    "--no-ext-diff",
    "--no-textconv",
    "--no-color",
    "--src-prefix=a/",
    "--dst-prefix=b/",
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of a tree."""

    mode: str
    id: str


Entries = Mapping[str, Entry]


@dataclass(frozen=True, slots=True)
class Difference:
    """One path in which two trees differ; None where it does not exist."""

    path: str
    before: Entry | None
    after: Entry | None


class ObjectFolder:
    """Blobs and trees of one run."""

    def __init__(self, folder: Path, borrow: Path, object_format: str = "sha1") -> None:
        """Make a private git directory in `folder` that reads objects from `borrow` as well."""
        self.folder = folder
        self.format = object_format
        private = folder / "private.git"
        private.mkdir(parents=True, exist_ok=True)
        self.git = Git(private)
        hashing = () if object_format == "sha1" else (f"--object-format={object_format}",)
        self.git.run("init", "--quiet", "--bare", "--template=", *hashing, str(private))
        alternates = private / "objects" / "info" / "alternates"
        alternates.parent.mkdir(parents=True, exist_ok=True)
        alternates.write_bytes(encode(str(borrow)) + b"\n")

    def name(self, content: bytes) -> str:
        """The object id that git gives to a blob of this content."""
        digest = hashlib.new(self.format, usedforsecurity=False)
        digest.update(b"blob %d\0" % len(content))
        digest.update(content)
        return digest.hexdigest()

    def add(self, contents: Sequence[bytes]) -> list[str]:
        """Store blobs, as they are, and return their ids."""
        if not contents:
            return []
        with tempfile.TemporaryDirectory(dir=self.folder) as place:
            for number, content in enumerate(contents):
                Path(place, str(number)).write_bytes(content)
            names = "".join(f"{place}/{number}\n" for number in range(len(contents)))
            said = self.git.run("hash-object", "-w", "--no-filters", "--stdin-paths", feed=encode(names))
        return said.decode("ascii").split()

    def entries(self, tree: str) -> dict[str, Entry]:
        """Every file of a tree, submodules as mode 160000."""
        found = {}
        for line in split(self.git.run("ls-tree", "-r", "-z", "--full-tree", tree)):
            head, _, path = line.partition("\t")
            mode, _, name = head.split(" ")
            found[path] = Entry(mode, name)
        return found

    def sizes(self, tree: str) -> dict[str, int]:
        """Bytes of every file of a tree."""
        lines = (
            line.partition("\t")
            for line in split(self.git.run("ls-tree", "-r", "-l", "-z", "--full-tree", tree))
        )
        return {path: int(size) for head, _, path in lines if (size := head.split()[3]) != "-"}

    def tree(self, entries: Entries) -> str:
        """Store a tree of these files and return its id.

        Raises:
            RepositoryError: a blob is missing (a partial clone), or a name that git does not accept.
        """
        with self._index() as index:
            lines = b"".join(
                b"%s %s 0\t%s\0" % (entry.mode.encode(), entry.id.encode(), encode(path))
                for path, entry in entries.items()
            )
            self.git.run("update-index", "-z", "--index-info", feed=lines, extra=index)
            return self.git.text("write-tree", extra=index)

    def applied(self, tree: str, diff: str, back: bool = False) -> str:
        """The tree that `diff` makes of `tree`; `back` takes it out.

        Raises:
            PatchRefused: the diff does not apply to that tree.
        """
        with self._index() as index:
            self.git.run("read-tree", tree, extra=index)
            if diff:
                try:
                    way = ("-R",) if back else ()
                    self.git.run(
                        "apply", *way, "--cached", "--whitespace=nowarn", "-", feed=encode(diff), extra=index
                    )
                except RepositoryError as error:
                    raise PatchRefused(f"the patch does not apply: {error.message}") from error
            return self.git.text("write-tree", extra=index)

    def differences(self, before: str, after: str) -> list[Difference]:
        """Every path in which two trees differ, in path order."""
        fields = split(
            self.git.run("diff-tree", "-r", "-z", "--raw", "--no-renames", "--no-abbrev", before, after)
        )
        found = []
        for head, path in zip(fields[::2], fields[1::2], strict=True):
            old_mode, new_mode, old, new, _ = head.removeprefix(":").split(" ")
            found.append(
                Difference(
                    path,
                    None if old_mode == "000000" else Entry(old_mode, old),
                    None if new_mode == "000000" else Entry(new_mode, new),
                )
            )
        return found

    def diff(self, before: str, after: str) -> str:
        """Our own unified diff of two trees, binary-safe, decoded with surrogateescape."""
        return self.git.run("diff-tree", "-r", *DIFF_OPTIONS, before, after).decode(
            "utf-8", "surrogateescape"
        )

    def counts(self, before: str, after: str) -> dict[str, tuple[int, int] | None]:
        """Added and removed lines by path, None for binary files."""
        found: dict[str, tuple[int, int] | None] = {}
        for line in split(self.git.run("diff-tree", "-r", "-z", "--numstat", "--no-renames", before, after)):
            added, removed, path = line.split("\t", 2)
            found[path] = None if added == "-" else (int(added), int(removed))
        return found

    def blobs(self, ids: Iterable[str]) -> Iterator[bytes]:
        """The contents of blobs, in the order asked for, by one process.

        Raises:
            RepositoryError: a blob is missing.
        """
        with tempfile.TemporaryFile(dir=self.folder) as asked:
            asked.write("".join(f"{name}\n" for name in ids).encode("ascii"))
            count = asked.tell() // (len(self.name(b"")) + 1)
            asked.seek(0)
            with self.git.stream("cat-file", "--batch", "--buffer", stdin=asked.fileno()) as process:
                assert process.stdout is not None
                for _ in range(count):
                    head = process.stdout.readline().split()
                    if len(head) != 3 or head[1] != b"blob":
                        name = head[0].decode("ascii", "replace") if head else "?"
                        raise RepositoryError(
                            f"object {name} is missing from the repository",
                            "in a partial clone fetch it first: git fetch --refetch --no-filter",
                        )
                    content = process.stdout.read(int(head[2]))
                    process.stdout.read(1)
                    yield content

    def blob(self, name: str) -> bytes:
        """The content of one blob."""
        return self.git.run("cat-file", "blob", name)

    def write_tar(self, entries: Entries, target: Path) -> None:
        """Write these files as a tar that belongs to the sandbox's user; submodules become empty folders."""
        real = {path: entry for path, entry in entries.items() if entry.mode != SUBMODULE}
        now = int(time.time())
        with (
            target.open("wb") as raw,
            tarfile.open(fileobj=raw, mode="w", format=tarfile.GNU_FORMAT) as archive,
        ):
            for path, entry in entries.items():
                if entry.mode == SUBMODULE:
                    archive.addfile(_member(path, tarfile.DIRTYPE, 0o755, now))
            for (path, entry), content in zip(
                real.items(), self.blobs(e.id for e in real.values()), strict=True
            ):
                if entry.mode == LINK:
                    member = _member(path, tarfile.SYMTYPE, 0o777, now)
                    member.linkname = content.decode("utf-8", "surrogateescape")
                    archive.addfile(member)
                else:
                    member = _member(path, tarfile.REGTYPE, 0o755 if entry.mode == EXECUTABLE else 0o644, now)
                    member.size = len(content)
                    archive.addfile(member, BytesIO(content))

    @contextmanager
    def _index(self) -> Iterator[dict[str, str]]:
        """The environment of a temporary index; git makes and replaces the file itself."""
        with tempfile.TemporaryDirectory(dir=self.folder, prefix="index-") as place:
            yield {"GIT_INDEX_FILE": str(Path(place) / "index")}


def _member(path: str, kind: bytes, mode: int, when: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(path)
    member.type, member.mode, member.mtime = kind, mode, when
    member.uid = member.gid = 1000
    return member
