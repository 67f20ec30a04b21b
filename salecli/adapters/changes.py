"""Makes a patch of what came out of a sandbox: path policy, private blobs, our own diff against the base."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

from salecli.adapters import policy
from salecli.adapters.archive import Found, printable
from salecli.adapters.objects import LINK, SUBMODULE, Difference, Entries, Entry, ObjectFolder
from salecli.adapters.plumbing import Git, encode, split
from salecli.core.values import Change, Patch
from salecli.errors import PatchRefused

MAX_CHANGED = 5_000
"""Files that one patch may change; more is a mistake that nobody could review."""
MAX_CHANGED_BYTES = 64 << 20
"""Bytes of the changed files together; they are held in memory."""


def patch_of(
    store: ObjectFolder,
    base: str,
    entries: Entries,
    found: Iterable[Found],
    decides: Callable[[str], bool] = policy.is_test_setting,
) -> Patch:
    """The patch that leads from the base tree to the files found; `decides` knows the settings of the tests.

    Raises:
        PatchRefused: a path, a link or a size that breaks the policy; nothing is kept of such a tree.
    """
    after: dict[str, Entry] = {}
    fresh: dict[str, Found] = {}
    held = 0
    for file in found:
        if file.path in after or file.path in fresh:
            raise PatchRefused(f"{printable(file.path)}: appears twice in the archive")
        known = entries.get(file.path)
        if known and known.mode == file.mode and known.id == store.name(file.content):
            after[file.path] = known
        elif known is None and policy.is_leftover(file.path):
            continue
        else:
            fresh[file.path] = file
            held += len(file.content)
            if held > MAX_CHANGED_BYTES:
                raise PatchRefused(f"the changed files hold more than {MAX_CHANGED_BYTES >> 20} MiB")
    for path in _ignored(store, entries, [path for path in fresh if path not in entries]):
        del fresh[path]
    if len(fresh) > MAX_CHANGED:
        raise PatchRefused(f"{len(fresh):,} files were changed, more than {MAX_CHANGED:,}")
    for file in fresh.values():
        check(file.path, file.mode, file.content, entries)
    for file, name in zip(fresh.values(), store.add([file.content for file in fresh.values()]), strict=True):
        after[file.path] = Entry(file.mode, name)
    # A submodule's files were never in the sandbox.
    after.update({path: entry for path, entry in entries.items() if entry.mode == SUBMODULE})
    check_twins(fresh, after)
    tree = store.tree(after)
    return patch_between(store, base, tree, decides)


def patch_between(
    store: ObjectFolder, base: str, tree: str, decides: Callable[[str], bool] = policy.is_test_setting
) -> Patch:
    """Our own diff of two trees, with its changes counted and flagged."""
    counts = store.counts(base, tree)
    changes = tuple(
        _change(store, item, counts.get(item.path), decides) for item in store.differences(base, tree)
    )
    return Patch(base, tree, store.diff(base, tree), changes)


def part_of(
    store: ObjectFolder,
    base: str,
    entries: Entries,
    diff: str,
    decides: Callable[[str], bool] = policy.is_test_setting,
) -> Patch:
    """The patch that a diff makes of the base tree: some hunks of a patch, chosen by a person.

    Raises:
        PatchRefused: it does not apply to the base, or what it leaves breaks the policy.
    """
    try:
        tree = store.applied(base, diff)
    except PatchRefused as error:
        raise PatchRefused(
            f"this part of the patch does not stand alone: {error.message}", "take what belongs to it as well"
        ) from error
    checked(store, base, tree, entries)
    return patch_between(store, base, tree, decides)


def checked(store: ObjectFolder, base: str, tree: str, entries: Entries) -> list[Difference]:
    """What a diff has made of the base tree, all of it within the policy.

    Raises:
        PatchRefused: a path, a link, a submodule or a size that breaks it.
    """
    found = store.differences(base, tree)
    fresh = []
    for item in found:
        if item.after is not None:
            if item.after.mode == SUBMODULE:
                raise PatchRefused(f"{printable(item.path)}: a submodule may not be changed")
            check(item.path, item.after.mode, store.blob(item.after.id), entries)
            fresh.append(item.path)
    check_twins(fresh, store.entries(tree))
    return found


def _change(
    store: ObjectFolder, item: Difference, lines: tuple[int, int] | None, decides: Callable[[str], bool]
) -> Change:
    status = "added" if item.before is None else "deleted" if item.after is None else "modified"
    content = store.blob(item.after.id) if item.after and item.after.mode != SUBMODULE else b""
    before, mode = (entry.mode if entry else "" for entry in (item.before, item.after))
    flags = policy.flags(item.path, before, mode, content, decides)
    added, removed = lines or (0, 0)
    return Change(item.path, status, added, removed, flags if lines else (*flags, "binary"))  # type: ignore[arg-type]


def check(path: str, mode: str, content: bytes, entries: Entries) -> None:
    """Refuse a changed file that breaks the path policy.

    Raises:
        PatchRefused: says which path, and why.
    """
    reason = policy.refusal(path)
    if not reason and mode == LINK:
        reason = policy.link_refusal(path, content.decode("utf-8", "surrogateescape"))
        name = path.rsplit("/", 1)[-1].casefold()
        if not reason and name in (".gitmodules", ".gitattributes", ".gitignore", ".mailmap"):
            reason = "a link in place of a file that git reads"
    if not reason:
        for folder in _above(path):
            above = entries.get(folder)
            if above and above.mode == SUBMODULE:
                reason = "a file inside of a submodule"
    if reason:
        raise PatchRefused(f"{printable(path)}: {reason}", "the patch was not kept; let another agent try")


def _above(path: str) -> list[str]:
    """The folders that a path lies in, outermost first."""
    return [path[:at] for at, sign in enumerate(path) if sign == "/"]


def check_twins(fresh: Iterable[str], after: Entries) -> None:
    """Refuse new names that some file system takes for one another, or a file where a folder is."""
    fresh = set(fresh)
    seen: dict[str, str] = {}
    folders = {parent for path in after for parent in _above(path)}
    for path in folders & after.keys():
        raise PatchRefused(f"{printable(path)}: a file or link, and a folder as well")
    for path in sorted(after):
        other = seen.setdefault(policy.twin_key(path), path)
        if other != path and (path in fresh or other in fresh):
            raise PatchRefused(f"{printable(other)} and {printable(path)}: one name on some file systems")


def _ignored(store: ObjectFolder, entries: Entries, added: list[str]) -> list[str]:
    """The added paths that the repository's own ignore files name.

    git asks in a folder that holds nothing but the base's ignore files: never in a tree that a sandbox wrote.
    """
    rules = [
        path
        for path, entry in entries.items()
        if path.rsplit("/", 1)[-1] == ".gitignore" and entry.mode != LINK
    ]
    asked = [path for path in added if not policy.refusal(path)]
    if not rules or not asked:
        return []
    with TemporaryDirectory(dir=store.folder) as place:
        for path, content in zip(rules, store.blobs(entries[path].id for path in rules), strict=True):
            file = Path(place, path)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        git = Git(store.git.folder, Path(place))
        # "./" keeps git from reading a leading ":" as pathspec magic.
        names = b"".join(b"./" + encode(path) + b"\0" for path in asked)
        said = git.run("check-ignore", "--no-index", "--stdin", "-z", feed=names, expect=(0, 1))
    return [path.removeprefix("./") for path in split(said)]
