"""Small git repositories for the tests of snapshots, sandboxes and patches."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import tarfile
from collections.abc import Mapping
from pathlib import Path

from salecli.adapters.changes import patch_between
from salecli.adapters.git import Snapshot
from salecli.adapters.objects import Entry
from salecli.core.values import Patch

CALC = {
    "calc.py": "def add(a, b):\n    return a - b\n",
    "test_calc.py": (
        "from calc import add\n\n\ndef test_zero():\n    assert add(0, 0) == 0\n\n\n"
        "def test_add():\n    assert add(1, 2) == 3\n"
    ),
    ".gitignore": "*.log\nout/\n",
}
FIXED = "def add(a, b):\n    return a + b\n"


def git(folder: Path, *arguments: str) -> str:
    """Output of a git command in `folder`."""
    done = subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def make(folder: Path, files: Mapping[str, str]) -> Path:
    """A git repository with one commit of these files."""
    folder.mkdir(parents=True)
    for path, text in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
    git(folder, "init", "-q")
    git(folder, "add", "-A", "--force")
    git(folder, "-c", "user.name=Test", "-c", "user.email=test@example.invalid", "commit", "-qm", "start")
    return folder


def change(
    snapshot: Snapshot, files: Mapping[str, bytes | None], modes: Mapping[str, str] | None = None
) -> Patch:
    """The patch that turns a snapshot into one with these files; None deletes."""
    entries = dict(snapshot.entries)
    for path, content in files.items():
        if content is None:
            del entries[path]
        else:
            entries[path] = Entry((modes or {}).get(path, "100644"), snapshot.store.add([content])[0])
    return patch_between(snapshot.store, snapshot.tree, snapshot.store.tree(entries))


def fingerprint(folder: Path) -> dict[str, tuple[str, int, str]]:
    """Kind, mode and content of everything below a folder, `.git` included."""
    found = {}
    for place, folders, files in os.walk(folder):
        for name in folders + files:
            path = Path(place, name)
            state = path.lstat()
            if path.is_symlink():
                content = str(path.readlink())
            else:
                content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder"
            found[str(path.relative_to(folder))] = (oct(state.st_mode), state.st_size, content)
    return found


def files(folder: Path) -> dict[str, tuple[str, int, str]]:
    """Like `fingerprint`, without the git folder."""
    return {path: kind for path, kind in fingerprint(folder).items() if path.split("/")[0] != ".git"}


def archive(*members: tuple[str, bytes | str | None]) -> bytes:
    """A tar of (name, content); a str is a link's target, None a FIFO."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for name, content in members:
            member = tarfile.TarInfo(name)
            if content is None:
                member.type = tarfile.FIFOTYPE
            elif isinstance(content, str):
                member.type, member.linkname = tarfile.SYMTYPE, content
            else:
                member.size = len(content)
            tar.addfile(member, io.BytesIO(content) if isinstance(content, bytes) else None)
    return raw.getvalue()
