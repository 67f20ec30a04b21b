"""Which files decide how a test command runs: a patch that edits them would be its own examiner. Pure.

Told from the command's own words. What a script runs in its turn is not followed: which of that is a test
and which the subject, nobody can tell from outside.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

_BETWEEN = re.compile(r"(&&|\|\||[;|&\n()`])")
_WORD = re.compile(r"'[^']*'|\"[^\"]*\"|[^\s'\"<>=$,{}@]+")
_ENTERED = re.compile(r"(?:\b(?:cd|pushd)\s+|\s-C\s*|--directory[ =])[\"']?([^\s;&|\"']+)")
_IN_TREE = re.compile(r"^(\$?\{?PWD\}?/|/work/|/|\./)|::.*$")
"""What `$PWD/x`, `/work/x`, `./x` and `x::test_one` have before or behind the tree's own `x`."""
_SHELL = re.compile(r"\b(ba|da|z|a|k)?sh\s+-\w*c\b")
_ASSIGNED = re.compile(r"^\s*(?:[A-Za-z_]\w*=\S*\s+)+")
_EXAMINES = re.compile(
    r"^(.*-)?(cc|gcc|g\+\+|c\+\+|c99|clang|clang\+\+|javac|rustc|ghc|tsc|ocamlopt)(-[\d.]+)?$"
    r"|^(ruff|black|isort|flake8|pylint|mypy|pyright|shellcheck|eslint|prettier)$"
)
"""Programs that are given what is tested: compilers and linters."""
_SUBJECT = re.compile(r"\b(doctest|py_compile|compileall|pyflakes|mypy|flake8|pylint)\b")
_COMPARES = re.compile(r"\s*(diff|cmp)\s")
_TEST_NAME = re.compile(r"(^|[_.\-/])tests?([_.\-/]|$)|Tests?\.\w+$")

_MAKE = ("makefile", "gnumakefile", "*.mk")
_NODE = ("package.json", "jest.config.*", "vitest.config.*", ".mocharc*")
_TOOLS: dict[str, tuple[str, ...]] = {
    "make": _MAKE,
    "gmake": _MAKE,
    "just": ("justfile", ".justfile", "*.just"),
    "task": ("taskfile.yml", "taskfile.yaml", "taskfile.dist.yml", "taskfile.dist.yaml"),
    "invoke": ("tasks.py", "invoke.yaml"),
    "inv": ("tasks.py", "invoke.yaml"),
    "fab": ("fabfile.py",),
    "doit": ("dodo.py",),
    "nox": ("noxfile.py",),
    "tox": ("tox.ini", "tox.toml"),
    "hatch": ("hatch.toml",),
    "rake": ("rakefile", "rakefile.rb"),
    "gradle": ("build.gradle", "build.gradle.kts", "settings.gradle", "settings.gradle.kts"),
    "mvn": ("pom.xml",),
    **dict.fromkeys(("npm", "npx", "yarn", "pnpm", "bun", "node", "jest", "vitest", "mocha"), _NODE),
}
"""By program: the names, in lower case, of files in which it finds what to run, in whatever folder."""


@dataclass(frozen=True, slots=True)
class Commanded:
    """The files that one test command runs or is told by."""

    paths: frozenset[str]
    """Named by the command; may hold `*`, `?` and `[`."""
    names: frozenset[str]
    """Read by a program that the command runs; patterns, in lower case."""

    def holds(self, path: str) -> bool:
        """Whether a path is one of them, be it there already or not."""
        name = path.rsplit("/", 1)[-1].lower()
        if path in self.paths or any(fnmatchcase(name, pattern) for pattern in self.names):
            return True
        parts = path.split("/")
        for pattern in self.paths:
            wanted = pattern.split("/")
            if len(wanted) == len(parts) and all(map(fnmatchcase, parts, wanted)):
                return True
        return False


def commanded(test_command: str) -> Commanded:
    """What decides how `test_command` runs: every file that it names, and those its tools read.

    What a compiler or a linter is given, doctest, or a program whose output is compared with a file, is what
    is tested, and stays out unless it bears a test's name.
    """
    text = test_command.replace("\\\n", " ")
    folders = ["", *(_IN_TREE.sub("", folder) for folder in _ENTERED.findall(text))]
    words: set[str] = set()
    names: set[str] = set()
    parts = [*_BETWEEN.split(text), "", ""]
    for part, sign, following in zip(parts[::2], parts[1::2], parts[2::2], strict=False):
        subject = (
            _EXAMINES.match(posixpath.basename(_first(part)))
            or _SUBJECT.search(part)
            or (sign == "|" and _COMPARES.match(following))
        )
        for word in _paths(part, bool(_SHELL.search(text))):
            names.update(_TOOLS.get(posixpath.basename(word).lower(), ()))
            if not subject or _TEST_NAME.search(word):
                words.add(word)
        words.update(_modules(part))
    joined = (posixpath.normpath(posixpath.join(folder, word)) for folder in folders for word in words)
    return Commanded(frozenset(path for path in joined if path not in (".", "..")), frozenset(names))


def _first(part: str) -> str:
    """The program of a simple command."""
    found = _WORD.search(_ASSIGNED.sub("", part))
    return found[0] if found else ""


def _paths(part: str, within: bool) -> Iterator[str]:
    """The words of a simple command that may be paths in the tree; `within`: quotes hold commands as well."""
    for word in _WORD.findall(part):
        quoted = word[0] in "'\""
        words = [word.strip("'\""), *(re.split(r"[\s'\"$]+", word) if quoted else ())]
        for one in words:
            plain = _IN_TREE.sub("", one)
            # A pattern in quotes is no file's name, unless a shell reads it.
            if plain and not plain.startswith("-") and (within or not quoted or not set("*?[") & set(plain)):
                yield plain


def _modules(part: str) -> Iterator[str]:
    """Where the modules of `-m module` would lie in the tree."""
    for module in re.findall(r"\s-m\s+([A-Za-z_][\w.]*)", part):
        place = module.replace(".", "/")
        yield from (f"{place}.py", f"{place}/__init__.py", f"{place}/__main__.py")
