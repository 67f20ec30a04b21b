"""Applies an accepted patch to the user's repository: to its working tree, or as a commit on a new branch.

Everything is tried in a private object folder first. The working tree is then changed by replacing whole
files; an error or an interrupt puts back what was replaced. A process that is killed outright between two
files cannot: it leaves those done, with the old ones in `.sale-apply-*` at the top. A branch is made
without touching working tree or index. git itself never patches in the user's tree.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp

from salecli.adapters import policy
from salecli.adapters.archive import printable
from salecli.adapters.changes import check, check_twins
from salecli.adapters.git import Repository, content_on_disk
from salecli.adapters.objects import EXECUTABLE, LINK, SUBMODULE, Difference, Entry, ObjectFolder
from salecli.adapters.owner import temporary_folder
from salecli.adapters.plumbing import encode, split
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


def apply_patch(
    repository: Repository,
    patch: Patch,
    run: str,
    to: Target,
    *,
    title: str = "",
    saved: Path | None = None,
) -> Applied:
    """Apply a patch that `collect` made, to the working tree or to a new branch sale/RUN; an error undoes it.

    `title` is the first line of the branch's commit; `saved`, the file that holds the diff, makes the command
    that takes it back complete.

    Raises:
        PatchRefused: files changed meanwhile, the path policy is broken, or the branch is there already.
    """
    if not patch.diff.strip():
        raise PatchRefused("the patch is empty: there is nothing to apply")
    place = temporary_folder()
    try:
        store = repository.private(place)
        if to == "branch":
            return _to_branch(repository, store, patch, run, title)
        files = _to_working_tree(repository, store, patch.diff, run)
    finally:
        shutil.rmtree(place, ignore_errors=True)
    source = shlex.quote(str(saved)) if saved else "PATCH"
    return Applied("worktree", files, f"git -C {shlex.quote(str(repository.top))} apply -R {source}")


def _to_working_tree(repository: Repository, store: ObjectFolder, diff: str, run: str) -> tuple[str, ...]:
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
        raise AppliedAlready(
            f"the patch is applied already: {', '.join(map(printable, paths))}",
            f"to a branch: sale apply {run} --to branch",
        ) from None
    gone = {item.path for item in changed if item.after is None}
    for item in changed:
        if item.before is None and not _free(top, item.path, gone):
            raise _meanwhile(item.path)
    _swap(top, store, changed)
    return tuple(item.path for item in changed)


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
            "the patch does not apply any more: its files have changed since the run started", _AGAIN
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
                raise _meanwhile(item.path)
    check_twins([item.path for item in changed if item.before is None], store.entries(after))
    return changed


_AGAIN = "put the changes aside (git stash), take it to a branch (--apply branch), or start a new run"


def _meanwhile(path: str) -> PatchRefused:
    return PatchRefused(f"{printable(path)} has changed since the run started; nothing was applied", _AGAIN)


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
            raise _meanwhile(above)


def _free(top: Path, path: str, gone: set[str]) -> bool:
    """Whether nothing is at a path, or only a folder that the patch empties."""
    target = top / path
    if not os.path.lexists(target):
        return True
    if target.is_symlink() or not target.is_dir():
        return False
    below = (file for file in target.rglob("*") if file.is_symlink() or not file.is_dir())
    return all(str(file.relative_to(top)) in gone for file in below)


def _swap(top: Path, store: ObjectFolder, changed: list[Difference]) -> None:
    """Replace files by prepared ones; on any error or interrupt, everything is put back."""
    staging = Path(mkdtemp(prefix=".sale-apply-", dir=top))
    done: list[tuple[Difference, Path | None]] = []
    made: list[Path] = []
    try:
        prepared = {
            item.path: _prepare(staging / f"new-{n}", top, store, item) for n, item in enumerate(changed)
        }
        for item in changed:
            found = content_on_disk(top, item.path)
            if (Entry(found[0], store.name(found[1])) if found else None) != item.before:
                raise _meanwhile(item.path)
        # What goes comes first: a file may become a folder.
        for number, item in enumerate(sorted(changed, key=lambda item: item.after is not None)):
            target = top / item.path
            kept = staging / f"old-{number}" if item.before else None
            done.append((item, kept))
            if kept and item.after is None:
                target.rename(kept)
                _drop_empty(top, target.parent)
            else:
                if kept:
                    _keep(target, kept)
                made += _folders(target.parent)
                prepared[item.path].replace(target)
        for item in changed:
            found = content_on_disk(top, item.path)
            if item.after and (found is None or store.name(found[1]) != item.after.id):
                raise PatchRefused(
                    f"{printable(item.path)} does not hold what was written; everything was put back"
                )
    except BaseException:
        for item, kept in reversed(done):
            # One file that cannot be put back must not keep the others from it.
            with suppress(OSError):
                _restore(top / item.path, kept, item.after is not None)
        for folder in reversed(made):
            with suppress(OSError):
                folder.rmdir()
        raise
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _prepare(place: Path, top: Path, store: ObjectFolder, item: Difference) -> Path:
    """The new file, complete, beside the tree."""
    if item.after is None:
        return place
    content = store.blob(item.after.id)
    if item.after.mode == LINK:
        place.symlink_to(content.decode("utf-8", "surrogateescape"))
        return place
    place.write_bytes(content)
    target = top / item.path
    plain = item.before is not None and item.before.mode != LINK
    mode = target.stat().st_mode & 0o777 if plain else 0o666 & ~_umask()
    place.chmod(mode | (mode & 0o444) >> 2 if item.after.mode == EXECUTABLE else mode & ~0o111)
    return place


def _umask() -> int:
    current = os.umask(0o077)
    os.umask(current)
    return current


def _keep(target: Path, kept: Path) -> None:
    """A second name for the old file, so that it survives its replacement."""
    if target.is_symlink():
        kept.symlink_to(target.readlink())
    else:
        try:
            os.link(target, kept)
        except OSError:  # a file system without hard links
            shutil.copy2(target, kept)


def _restore(target: Path, kept: Path | None, written: bool) -> None:
    if kept is None:
        if written:
            target.unlink(missing_ok=True)
    elif os.path.lexists(kept):
        if target.is_dir() and not target.is_symlink():
            target.rmdir()
        target.parent.mkdir(parents=True, exist_ok=True)
        kept.replace(target)


def _folders(folder: Path) -> list[Path]:
    """Make a folder and those above it; returns the new ones, outermost first."""
    missing = []
    while not folder.is_dir():
        missing.append(folder)
        folder = folder.parent
    for new in reversed(missing):
        new.mkdir()
    return missing[::-1]


def _drop_empty(top: Path, folder: Path) -> None:
    while folder != top and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent


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
    if git.run("rev-parse", "--quiet", "--verify", f"refs/heads/{name}", expect=(0, 1)).strip():
        raise PatchRefused(f"the branch {name} is there already", f"git branch -D {name}, then apply again")
    extra = {"GIT_INDEX_FILE": str(store.folder / "branch-index")}
    git.run("read-tree", head, extra=extra)
    git.run("apply", "--cached", "--whitespace=nowarn", "-", feed=encode(diff), extra=extra)
    tree = git.text("write-tree", extra=extra)
    if tree != store.applied(f"{head}^{{tree}}", diff):
        raise PatchRefused("the repository's configuration changes the patch while it is applied", _AGAIN)
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
