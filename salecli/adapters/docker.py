"""The Docker sandbox: a snapshot in a closed container, worked on, tested, and brought back as a patch."""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING

from salecli.adapters import changes, policy, testing
from salecli.adapters.archive import ArchiveLimits, read_archive
from salecli.adapters.commanded import commanded
from salecli.adapters.container import Container, SandboxLimits
from salecli.adapters.engine import connect, reap
from salecli.adapters.git import Snapshot
from salecli.adapters.image import IMAGE, pinned
from salecli.adapters.points import reached
from salecli.adapters.testing import MAX_REPORT, Outcome
from salecli.core.values import Completed, Patch, Tests
from salecli.errors import PatchRefused, RepositoryError, SaleError, SandboxError

if TYPE_CHECKING:
    from docker import DockerClient

MAX_READ = 4 << 20
"""Bytes of the largest file that `read` brings out."""
_MAX_WORD = 100_000
"""Bytes of a command that still fits into one argument of a process."""

# Output and errors in one stream; on the other the kernel's count of processes that it ended for want of
# memory, and the report. What a command leaves running ends with it. `$1` is the command, `$2` the report
# or "", `$3` the length of a command that comes on the input.
_RUN = f"""exec 3>&2 2>&1
s=/bin/sh; [ -x /bin/bash ] && s=/bin/bash
[ -z "$2" ] || rm -rf "$2"
if [ -n "$3" ]; then head -c "$3" >/tmp/.sale-command; "$s" /tmp/.sale-command </dev/null 3>&-
else "$s" -c "$1" </dev/null 3>&-; fi
code=$?
kill -9 -1 2>/dev/null
starved=0
for counter in /sys/fs/cgroup/memory/memory.oom_control /sys/fs/cgroup/memory.events; do
  [ -r $counter ] && while read -r name value; do [ "$name" = oom_kill ] && starved=$value; done <$counter
done
echo "$starved" >&3
[ -n "$2" ] && [ -f "$2" ] && head -c {MAX_REPORT + 1} "$2" >&3
exit $code"""
_PUT = 'head -c "$1" | tar -xf - --no-same-owner 2>&1'
_WRITE = """exec 2>&1
[ -d "$1" ] && { echo "it is a folder"; exit 8; }
mkdir -p "${1%/*}" && head -c "$2" >"$1" """
_READ = f'[ -f "$1" ] || exit 44; exec head -c {MAX_READ + 1} "$1"'
_COLLECT = (
    "find . -type d ! -perm -700 -exec chmod u+rwx {} \\; ; "
    "find . -type f ! -perm -400 -exec chmod u+r {} + ; "
    "exec tar --hard-dereference --format=gnu --numeric-owner -cf - ."
)


class Output:
    """Keeps the head and the tail of what a command prints, and counts the rest."""

    def __init__(self, limit: int) -> None:
        self._half = max(limit // 2, 1)
        self._head = bytearray()
        self._tail = bytearray()
        self._passed = 0

    def add(self, data: bytes) -> None:
        """Take the next piece."""
        self._passed += len(data)
        room = max(self._half - len(self._head), 0)
        self._head += data[:room]
        self._tail += data[room:]
        if len(self._tail) > 4 * self._half:
            del self._tail[: -self._half]

    @property
    def cut(self) -> int:
        """Bytes left out between head and tail."""
        return max(self._passed - 2 * self._half, 0)

    @property
    def text(self) -> str:
        """Head and tail, undecodable bytes replaced."""
        if not self.cut:
            return (self._head + self._tail).decode("utf-8", "replace")
        head, tail = (
            self._head.decode("utf-8", "replace"),
            self._tail[-self._half :].decode("utf-8", "replace"),
        )
        return f"{head}\n[{self.cut} bytes left out]\n{tail}"


class DockerSandbox:
    """One open container that holds a copy of the snapshot. Fits core's Sandbox."""

    def __init__(self, workspace: DockerWorkspace, container: Container, files: Path) -> None:
        """Unpack `files`, a tar, in a fresh container."""
        self._workspace = workspace
        self._container = container
        self._touched = False
        self._put(files)

    def _put(self, files: Path) -> None:
        reached("copy-in")
        with files.open("rb") as opened:
            said = Output(4096)
            size = files.stat().st_size
            ended = self._container.execute(_PUT, [str(size)], feed=_pieces(opened), out=said.add)
        if ended.how != "exit" or ended.code:
            raise SandboxError(
                f"the repository's files do not go into the sandbox: {said.text.strip()[:300] or ended.how}",
                "a repository with very many or very large files needs a larger sandbox",
            )

    def write(self, path: str, content: str) -> None:
        """Write a file below the tree's root, folders made as needed.

        Raises:
            ValueError: a path that leaves the tree, a folder, or a full disk.
        """
        data = content.encode("utf-8", "surrogateescape")
        self._touched = True
        said = Output(4096)
        ended = self._container.execute(
            _WRITE, [_inside(path), str(len(data))], feed=[data] if data else (), out=said.add
        )
        if ended.how != "exit" or ended.code:
            raise ValueError(f"{path} could not be written: {said.text.strip() or ended.how}")

    def read(self, path: str) -> str | None:
        """A file's text, None where there is none; `write` gives undecodable bytes back as they were.

        Raises:
            ValueError: a path that leaves the tree, or a file of more than 4 MiB.
        """
        found = bytearray()
        ended = self._container.execute(_READ, [_inside(path)], out=found.extend)
        if ended.code == 44:
            return None
        if ended.how != "exit" or ended.code or len(found) > MAX_READ:
            raise ValueError(f"{path} could not be read: more than {MAX_READ >> 20} MiB, or not allowed")
        return found.decode("utf-8", "surrogateescape")

    def run(self, command: str) -> Completed:
        """Run a shell command at the tree's root; whatever it leaves running ends with it."""
        self._touched = True
        done, _ = self._command(command)
        return done

    def test(self) -> Tests:
        """Run the task's tests by our own runner."""
        return self.tested().tests

    def tested(self) -> Outcome:
        """Run the tests, and keep every case's full name."""
        run = testing.invocation(self._workspace.test_command, secrets.token_hex(8))
        done, report = self._command(run.command, run.report, run.environment)
        found = testing.outcome(run, done.exit_code, done.output, report, done.timed_out)
        if not self._touched and not found.tests.timed_out:
            self._workspace.before = self._workspace.before or found
        self._touched = True
        return found

    def _command(
        self, command: str, report: str = "", environment: dict[str, str] | None = None
    ) -> tuple[Completed, bytes]:
        reached("run")
        data = command.encode("utf-8", "surrogateescape")
        long = len(data) > _MAX_WORD
        output, written = Output(self._container.limits.output), bytearray()
        ended = self._container.execute(
            _RUN,
            ["" if long else command.replace("\0", ""), report, str(len(data)) if long else ""],
            feed=[data] if long else (),
            out=output.add,
            err=written.extend,
            environment=environment,
        )
        text = output.text
        if ended.how == "flood":
            text += f"\n[ended: more than {self._container.limits.flood >> 20} MiB of output]"
        count, _, found = bytes(written).partition(b"\n")
        if count.isdigit():
            starved = self._container.starved(int(count))
        else:
            # The shell around the command was ended as well: no report, and nobody swept after it.
            if ended.how == "exit":
                self._container.sweep()
            # Asked in any case: or else the next command would be held to have run out of memory.
            starved, found = self._container.out_of_memory(), b""
        return Completed(ended.code, text, ended.how == "deadline", output.cut, starved), found

    def collect(self) -> Patch:
        """Bring the changed tree out as hostile bytes and diff it against the snapshot.

        Raises:
            PatchRefused: a path, a link, a special file or a size that breaks the policy.
        """
        snapshot, limits = self._workspace.snapshot, ArchiveLimits()
        with tempfile.TemporaryFile(dir=snapshot.store.folder) as archive:
            said = Output(2048)

            def archived(data: bytes) -> None:
                archive.write(data)

            reached("copy-out")
            ended = self._container.execute(_COLLECT, out=archived, err=said.add, flood=limits.bytes)
            if ended.how == "flood":
                raise PatchRefused(f"the changed tree holds more than {limits.bytes >> 20} MiB")
            if ended.how != "exit" or ended.code:
                raise PatchRefused(
                    f"the changed tree could not be read: {said.text.strip()[:300] or ended.how}"
                )
            archive.seek(0)
            reached("diff")
            found = read_archive(_pieces(archive), limits)
            return changes.patch_of(
                snapshot.store, snapshot.tree, snapshot.entries, found, self._workspace.decides
            )

    @property
    def container(self) -> Container:
        """The container that it is."""
        return self._container

    def close(self) -> None:
        """End and remove the sandbox; safe to call twice."""
        self._container.remove()
        self._workspace.opened.discard(self)

    def __enter__(self) -> DockerSandbox:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class DockerWorkspace:
    """Opens sandboxes on one snapshot. Fits core's Workspace."""

    def __init__(
        self,
        snapshot: Snapshot,
        test_command: str,
        run: str,
        limits: SandboxLimits | None = None,
        image: str = IMAGE,
        client: DockerClient | None = None,
    ) -> None:
        """Connect to the engine, pin the image by its id, and remove containers whose owners have died.

        Raises:
            SandboxError: no engine, no permission, or no image; the hint says what to type.
        """
        self.snapshot = snapshot
        self.test_command = test_command
        self._commanded = commanded(test_command)
        self.run = run
        self.limits = limits or SandboxLimits()
        self.client = client or connect()
        self._own_client = client is None
        self.before: Outcome | None = None
        """The tests of the untouched snapshot, once they ran."""
        self.opened: set[DockerSandbox] = set()
        try:
            self.image = pinned(self.client, image)
            reap(self.client)
        except BaseException:
            self.close()
            raise

    def decides(self, path: str) -> bool:
        """Whether a file at this path has a say in how the tests are found, run or counted."""
        return policy.is_test_setting(path) or self._commanded.holds(path)

    def open(self) -> DockerSandbox:
        """A fresh sandbox that holds the snapshot."""
        return self._open(self.snapshot.tar)

    def _open(self, files: Path) -> DockerSandbox:
        if files.stat().st_size > self.limits.tree * 0.9:
            raise RepositoryError(
                f"the repository's files take {files.stat().st_size >> 20} MB, more than a sandbox holds",
                "add large files to .gitignore, or keep them with LFS",
            )
        container = Container(self.client, self.image, self.run, self.limits)
        try:
            sandbox = DockerSandbox(self, container, files)
        except BaseException:
            container.remove()
            raise
        self.opened.add(sandbox)
        return sandbox

    def verify(self, patch: Patch) -> Tests:
        """Run the original tests on snapshot + patch in a fresh sandbox.

        Existing tests and every test setting, what the test command names included, are those of the
        snapshot, and tests that the patch adds are left out: nothing in the patch decides its verdict. A
        case that ran before the patch and does not run after it counts as an error.

        Raises:
            PatchRefused: a patch on another base, one that does not apply, or that breaks the path policy.
            SandboxError: the container or the engine went away.
        """
        reached("verify")
        store, base = self.snapshot.store, self.snapshot.tree
        if patch.base != base:
            raise PatchRefused("the patch was made from another state of the repository", "start a new run")
        # The diff is what the user will apply, so the diff is what is tested.
        tree = store.applied(base, patch.diff)
        if patch.tree and patch.tree != tree:
            raise PatchRefused("the patch does not reproduce the tree it was made from")
        verified = dict(self.snapshot.entries)
        for item in changes.checked(store, base, tree, self.snapshot.entries):
            if policy.is_test(item.path) or self.decides(item.path):
                continue
            if item.after is None:
                verified.pop(item.path, None)
            else:
                verified[item.path] = item.after
        if self.before is None:
            with self.open() as sandbox:
                self.before = sandbox.tested()
        with tempfile.TemporaryDirectory(dir=store.folder) as place:
            files = Path(place) / "verify.tar"
            store.write_tar(dict(sorted(verified.items())), files)
            sandbox = self._open(files)
        with sandbox:
            return testing.compared(self.before, sandbox.tested())

    def close(self) -> None:
        """Remove every sandbox that is still open; safe to call twice."""
        for sandbox in list(self.opened):
            with suppress(SaleError):
                sandbox.close()
        if self._own_client:
            self.client.close()

    def __enter__(self) -> DockerWorkspace:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _pieces(opened: IO[bytes]) -> Iterator[bytes]:
    while piece := opened.read(1 << 18):
        yield piece


def _inside(path: str) -> str:
    """The path as the sandbox's shell may take it; ValueError where it leaves the tree."""
    reason = policy.refusal(path.removeprefix("./"))
    if reason:
        raise ValueError(f"{path!r}: {reason}")
    return "./" + path.removeprefix("./")
