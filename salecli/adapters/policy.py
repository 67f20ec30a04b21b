"""Which paths may come out of a sandbox, and which of them a person should look at twice. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from pathlib import PurePosixPath

_IGNORABLE = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]")
"""Code points that some file systems ignore in names, or that turn the direction of text."""
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_SHORT_GIT = re.compile(r"^git~\d+$")

_LEFTOVER_FOLDERS = {
    "__pycache__",
    ".pytest_cache",
    ".mypy_cache",
    ".ruff_cache",
    ".hypothesis",
    ".tox",
    ".nox",
    ".coverage",
}

_TEST_SETTINGS = {
    "conftest.py",
    "pytest.ini",
    ".pytest.ini",
    "pytest.toml",
    ".pytest.toml",
    "tox.ini",
    "setup.cfg",
    "pyproject.toml",
    ".coveragerc",
    "sitecustomize.py",
    "usercustomize.py",
    "noxfile.py",
}

_RUNS_BY_NAME = {
    "conftest.py",
    "sitecustomize.py",
    "usercustomize.py",
    "makefile",
    "gnumakefile",
    "justfile",
    "rakefile",
    "setup.py",
    "noxfile.py",
    "tasks.py",
    "fabfile.py",
    "dodo.py",
    "tox.ini",
    "package.json",
    "gulpfile.js",
    "gruntfile.js",
    "build.rs",
    "build.gradle",
    "build.gradle.kts",
    "pom.xml",
    "cmakelists.txt",
    "configure",
    "jenkinsfile",
    "dockerfile",
    "containerfile",
    "docker-compose.yml",
    "docker-compose.yaml",
    "compose.yml",
    "compose.yaml",
    "vagrantfile",
    ".envrc",
    ".pre-commit-config.yaml",
    ".gitlab-ci.yml",
    ".travis.yml",
    ".gitattributes",
    ".gitmodules",
    ".gitconfig",
    ".npmrc",
    ".yarnrc.yml",
    ".pythonrc",
    ".pdbrc",
    ".gdbinit",
    ".bashrc",
    ".profile",
    ".zshrc",
    "azure-pipelines.yml",
    "appveyor.yml",
}
_RUNS_BY_SUFFIX = (".pth", ".mk", ".service", ".timer", ".desktop")
_RUNS_BY_FOLDER = {
    ".github",
    ".circleci",
    ".husky",
    ".githooks",
    "hooks",
    ".vscode",
    ".idea",
    ".devcontainer",
    ".cargo",
    ".buildkite",
    ".woodpecker",
    ".ci",
}


def refusal(path: str) -> str:
    """Why this path may not be written, "" where it may."""
    if not path or path.startswith("/"):
        return "an absolute or empty path"
    if len(path) > 4000:
        return "a path of more than 4,000 characters"
    if _SURROGATE.search(path):
        return "a name that is not valid UTF-8"
    if _CONTROL.search(path):
        return "a control character in a name"
    if _IGNORABLE.search(path):
        return "an invisible character in a name"
    if "\\" in path:
        return "a backslash in a name"
    for part in path.split("/"):
        if part in ("", ".", ".."):
            return "a path that leaves the tree"
        if names_git(part):
            return "a path into .git"
        if len(part.encode()) > 255:
            return "a name of more than 255 bytes"
    return ""


def names_git(part: str) -> bool:
    """Whether some file system takes this name for `.git`: by case, ignorable characters, short names."""
    plain = _IGNORABLE.sub("", unicodedata.normalize("NFKC", part)).casefold()
    plain = plain.split(":")[0].rstrip(". ")
    return plain == ".git" or bool(_SHORT_GIT.match(plain))


def link_refusal(path: str, target: str) -> str:
    """Why a symbolic link at `path` may not point to `target`, "" where it may."""
    if len(target) > 4000:
        return "a link whose target has more than 4,000 characters"
    if not target or target.startswith(("/", "~")) or "\\" in target or re.match("^[A-Za-z]:", target):
        return f"a link to {target!r}, outside of the tree"
    if _SURROGATE.search(target) or _CONTROL.search(target):
        return "a link whose target is not plain text"
    depth = len(PurePosixPath(path).parts) - 1
    below = False
    for part in target.split("/"):
        if part in ("", "."):
            continue
        if names_git(part):
            return "a link into .git"
        if part == "..":
            depth -= 1
            # Behind a name, which may be a link itself, ".." leads to where nobody can tell.
            if below or depth < 0:
                return f"a link to {target!r}, outside of the tree"
        else:
            below = True
    return ""


def twin_key(path: str) -> str:
    """Equal for two paths that a file system without case or normal forms takes for one."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())


def is_leftover(path: str) -> bool:
    """Whether test runs leave such a file behind."""
    parts = path.split("/")
    return any(part in _LEFTOVER_FOLDERS for part in parts) or path.endswith((".pyc", ".pyo"))


def is_test(path: str) -> bool:
    """Whether a path belongs to the tests: test modules, and what lies in a folder of tests."""
    *folders, name = path.split("/")
    if "tests" in folders or folders[:1] == ["test"]:
        return True
    return bool(re.match(r"(test_.*|.*_test|tests?)\.py$", name))


def is_test_setting(path: str) -> bool:
    """Whether a path can decide how tests are found, run or counted."""
    *folders, name = path.split("/")
    if name in _TEST_SETTINGS or name.endswith(".pth"):
        return True
    # Entry points of a folder on the import path load plug-ins into pytest.
    if any(folder.endswith((".egg-info", ".dist-info")) for folder in folders):
        return True
    return path.split("/")[0].removesuffix(".py") in ("pytest", "_pytest", "pluggy", "unittest")


def flags(
    path: str, before: str, mode: str, text: bytes, decides: Callable[[str], bool] = is_test_setting
) -> tuple[str, ...]:
    """Why a person should look twice at a changed file.

    Of "test", "runs on the host", "hidden", "link", "executable"; `text` is the new content; `before` and
    `mode` are git's modes, "" where there is no file; `decides` knows the settings of the tests.
    """
    found = []
    *folders, name = path.split("/")
    if (before and is_test(path)) or decides(path):
        found.append("test")
    if (
        name.casefold() in _RUNS_BY_NAME
        or name.endswith(_RUNS_BY_SUFFIX)
        or any(folder in _RUNS_BY_FOLDER for folder in folders)
        or any(folder.endswith((".egg-info", ".dist-info")) for folder in folders)
    ):
        found.append("runs on the host")
    if any(part.startswith(".") for part in (*folders, name)) or invisible(text):
        found.append("hidden")
    if mode == "120000":
        found.append("link")
    if mode == "100755" and before != mode:
        found.append("executable")
    return tuple(found)


def invisible(text: bytes) -> bool:
    """Whether a text holds escape codes or characters that hide or reorder what a reader sees."""
    if b"\0" in text[:8000]:
        return False
    if b"\x1b" in text:
        return True
    if text.isascii():
        return False
    return bool(re.search("[\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069]", text.decode("utf-8", "replace")))
