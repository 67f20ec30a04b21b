"""Applies an accepted patch to the user's repository: to its working tree, or as a commit on a new branch.

Everything is tried in a private object folder first. The working tree is then changed by replacing whole
files, journalled by `backup.py`: an error or an interrupt puts back what was replaced, and what a killed
process left is finished or rolled back by `undo.py`. A branch is made without touching working tree or
index. git itself never patches in the user's tree.
"""

from __future__ import annotations

import hashlib
import os
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from salecli.adapters import backup, policy
from salecli.adapters.archive import printable
from salecli.adapters.backup import Backup
from salecli.adapters.changes import check, check_twins
from salecli.adapters.git import Repository, content_on_disk
from salecli.adapters.objects import SUBMODULE, Difference, Entry, ObjectFolder
from salecli.adapters.plumbing import encode, split
from salecli.adapters.swap import AGAIN, free, meanwhile, on_disk, permissions
from salecli.adapters.undo import carry_out, private_store, recover_locked
from salecli.core.decisions import Target
from salecli.core.values import Patch
from salecli.errors import AppliedAlready, PatchRefused, RepositoryError

_INDEX_LINE = re.compile(r"^index ([0-9a-f]{40,64})\.\.([0-9a-f]{40,64})", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Applied:
    """What was done to the repository, and how to take it back."""

    mode: Target
    files: tuple[str, ...]
    undo: str
    """A command to type."""
    branch: str = ""
    note: str = ""


def apply_patch(repository: Repository, patch: Patch, run: str, to: Target, *, title: str = "") -> Applied:
    """Apply a patch that `collect` made, to the working tree or to a new branch sale/RUN; an error undoes it.

    `title` is the first line of the branch's commit.

    Raises:
        AppliedAlready: the files hold what the patch writes; nothing was changed.
        PatchRefused: files changed meanwhile, the path policy is broken, or the branch is there already.
        RepositoryError: another process is applying a patch here.
    """
    if not patch.diff.strip():
        raise PatchRefused("the patch is empty: there is nothing to apply")
    with private_store(repository) as store, backup.locked(repository):
        if to == "branch":
            return _to_branch(repository, store, patch, run, title)
        return _to_working_tree(repository, store, patch.diff, run)


def _to_working_tree(repository: Repository, store: ObjectFolder, diff: str, run: str) -> Applied:
    top = repository.top
    note = " ".join(recover_locked(repository, store))
    undo = f"sale apply --undo {run}"
    digest = hashlib.sha256(encode(diff)).hexdigest()
    latest = backup.newest(repository, run)
    if latest and latest.diff == digest:
        own = {item.path for item in latest.changed}
        if all(on_disk(top, store, item.path, own) == item.after for item in latest.changed):
            files = tuple(item.path for item in latest.changed)
            if note:  # it was half done, and is finished now
                return Applied("worktree", files, undo, note=note)
            raise _there(files, f"undo: {undo}")
    changed = _changed_on_disk(repository, store, diff, run)
    made = {
        "/".join(parts[:depth])
        for item in changed
        if item.before is None
        for parts in (item.path.split("/"),)
        for depth in range(1, len(parts))
    }
    new = (path for path in made if (top / path).is_symlink() or not (top / path).is_dir())
    bits = {item.path: permissions(top, item) for item in changed}
    carry_out(repository, store, Backup(run, tuple(changed), bits, tuple(sorted(new)), digest))
    return Applied("worktree", tuple(item.path for item in changed), undo, note=note)


def _changed_on_disk(repository: Repository, store: ObjectFolder, diff: str, run: str) -> list[Difference]:
    """What the diff changes of the files as they are on the disk."""
    top = repository.top
    paths = _paths(store, diff)
    entries, contents = {}, {}
    for path in paths:
        _check_above(top, path, paths)
        found = content_on_disk(top, path)
        if found:
            contents[path] = found
    names = store.add([content for _, content in contents.values()])
    for (path, (mode, _)), name in zip(contents.items(), names, strict=True):
        entries[path] = Entry(mode, name)
    now = store.tree(entries)
    try:
        changed = _changes(repository, store, now, diff, strict=True)
    except PatchRefused as refused:
        try:
            store.applied(now, diff, back=True)
        except PatchRefused:
            raise refused from None
        raise _there(paths, f"to a branch: sale apply {run} --to branch") from None
    gone = {item.path for item in changed if item.after is None}
    for item in changed:
        if item.before is None and not free(top, item.path, gone):
            raise meanwhile(item.path)
    return changed


def _there(paths: Sequence[str], hint: str) -> AppliedAlready:
    return AppliedAlready(f"the patch is applied already: {', '.join(map(printable, paths))}", hint)


def _paths(store: ObjectFolder, diff: str) -> list[str]:
    """The paths that a diff names, each one within the path policy."""
    try:
        said = store.git.run("apply", "--numstat", "-z", "-", feed=encode(diff))
    except RepositoryError as error:
        raise PatchRefused(f"the patch cannot be read: {error.message}") from error
    paths = [line.split("\t", 2)[2] for line in split(said)]
    for path in paths:
        reason = policy.refusal(path)
        if reason:
            raise PatchRefused(f"{printable(path)}: {reason}")
    return list(dict.fromkeys(paths))


def _changes(
    repository: Repository, store: ObjectFolder, tree: str, diff: str, *, strict: bool
) -> list[Difference]:
    """What the diff changes in a tree, checked against the path policy and against the diff's own ids."""
    try:
        after = store.applied(tree, diff)
    except PatchRefused as error:
        raise PatchRefused(
            "the patch does not apply any more: its files have changed since the run started", AGAIN
        ) from error
    changed = store.differences(tree, after)
    old = {found[1] for found in _INDEX_LINE.finditer(diff)}
    new = {found[2] for found in _INDEX_LINE.finditer(diff)}
    known = store.entries(tree)
    for item in changed:
        if item.after is not None:
            if SUBMODULE in (item.after.mode, item.before.mode if item.before else ""):
                raise PatchRefused(f"{printable(item.path)}: a submodule may not be changed")
            check(item.path, item.after.mode, store.blob(item.after.id), known)
        moved = item.before is None or item.after is None or item.before.id != item.after.id
        if strict and moved:
            expected = (item.before is None or item.before.id in old) and (
                item.after is None or item.after.id in new
            )
            if not expected:
                raise meanwhile(item.path)
    check_twins([item.path for item in changed if item.before is None], store.entries(after))
    return changed


def _check_above(top: Path, path: str, paths: list[str]) -> None:
    """Refuse a path below a symbolic link, which could leave the repository, or below a file that stays."""
    parts = path.split("/")[:-1]
    for depth in range(1, len(parts) + 1):
        above = "/".join(parts[:depth])
        folder = top / above
        if above in paths or not os.path.lexists(folder):
            return
        if folder.is_symlink():
            raise PatchRefused(f"{printable(path)}: its folder is a symbolic link")
        if not folder.is_dir():
            raise meanwhile(above)


def _to_branch(repository: Repository, store: ObjectFolder, patch: Patch, run: str, title: str) -> Applied:
    """A commit on top of HEAD, on a new branch, made without working tree or index."""
    git, diff = repository.git, patch.diff
    name = f"sale/{run}"
    head = repository.head
    _paths(store, diff)
    try:
        changed = _changes(repository, store, f"{head}^{{tree}}", diff, strict=False)
    except PatchRefused as error:
        if "does not apply" not in error.message:
            raise
        raise PatchRefused(
            "the patch does not apply to HEAD: it builds on changes that are not committed",
            "commit them first, or apply it on top of them: --apply worktree",
        ) from error
    known = git.run("rev-parse", "--quiet", "--verify", f"refs/heads/{name}^{{tree}}", expect=(0, 1)).strip()
    wanted = store.applied(f"{head}^{{tree}}", diff)
    if known.decode("ascii") == wanted:
        raise AppliedAlready(f"the branch {name} holds the patch already", f"git switch {name}")
    if known:
        raise PatchRefused(f"the branch {name} is there already", f"git branch -D {name}, then apply again")
    extra = {"GIT_INDEX_FILE": str(store.folder / "branch-index")}
    git.run("read-tree", head, extra=extra)
    git.run("apply", "--cached", "--whitespace=nowarn", "-", feed=encode(diff), extra=extra)
    tree = git.text("write-tree", extra=extra)
    if tree != wanted:
        raise PatchRefused("the repository's configuration changes the patch while it is applied", AGAIN)
    commit = git.run(
        "commit-tree",
        tree,
        "-p",
        head,
        feed=encode(title or f"sale {run}") + b"\n",
        extra=_identity(repository),
    )
    # The zeros say: only if it does not exist yet.
    git.run("update-ref", f"refs/heads/{name}", commit.decode("ascii").strip(), "0" * len(head))
    dirty = patch.base != git.text("rev-parse", f"{head}^{{tree}}")
    note = "the tests ran with your uncommitted changes, which the branch does not hold" if dirty else ""
    files = tuple(item.path for item in changed)
    return Applied("branch", files, f"git -C {shlex.quote(str(repository.top))} branch -D {name}", name, note)


def _identity(repository: Repository) -> dict[str, str]:
    """Who commits, where the user's configuration does not say."""
    said = repository.git.run("var", "GIT_COMMITTER_IDENT", expect=(0, 128))
    if said.strip():
        return {}
    who = {"NAME": "sale", "EMAIL": "sale@localhost"}
    return {f"GIT_{role}_{part}": value for role in ("AUTHOR", "COMMITTER") for part, value in who.items()}
