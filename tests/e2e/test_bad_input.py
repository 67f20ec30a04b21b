"""What a user can get wrong before a run begins: one message that says what to do, and nothing is left.

Most cases run without a Docker engine on purpose: they have to fail before one is asked for, and so before a
model is loaded, a snapshot is taken or anything else is started.
"""

from __future__ import annotations

import socket
import subprocess
import tempfile
from pathlib import Path

import pytest

from salecli import resources
from salecli.adapters.sqlitefile import prepare
from tests.e2e.scene import FILES, NO_ENGINE, Scene
from tests.e2e.world import contents, sale
from tests.models import random_model

PRACTICE_M = resources.pools() / "practice-m.gguf"


@pytest.fixture
def scene(tmp_path: Path, private_home: Path) -> Scene:
    return Scene(tmp_path, private_home)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "no issue file the.md"),
        (b"", "the.md is empty"),
        (b" \n\t\n", "the.md is empty"),
        (b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "the.md is not a UTF-8 text"),
        (b"Add a button\0\0", "the.md is a binary file"),
        (b"a line of a log\n" * 700_000, "the.md is larger than 200,000 bytes"),
    ],
    ids=["missing", "empty", "blank", "not text", "binary", "10 MB"],
)
def test_issue(scene: Scene, content: bytes | None, says: str) -> None:
    if content is not None:
        (scene.shop / "the.md").write_bytes(content)
    scene.refused("solve", "the.md", code=2, says=says, hint=" ", env=NO_ENGINE)


def test_issue_is_a_folder(scene: Scene) -> None:
    scene.refused("solve", ".", code=2, says=". is a folder", hint="name the issue file", env=NO_ENGINE)


def test_issue_may_not_be_read(scene: Scene) -> None:
    secret = scene.folder / "secret.md"
    secret.write_text("Add a button")
    secret.chmod(0)
    says = f"{secret} cannot be read: Permission denied"
    scene.refused("solve", secret, code=2, says=says, hint="may read", env=NO_ENGINE, bound=True)


def test_nothing_on_standard_input(scene: Scene) -> None:
    scene.refused("solve", "-", code=2, says="standard input is empty", hint="in a sentence", env=NO_ENGINE)
    done = sale("solve", "-", cwd=scene.shop, stdin=" \n", **NO_ENGINE)
    assert (done.returncode, done.stderr.splitlines()[0]) == (2, "sale: standard input is empty")


def test_no_repository(scene: Scene) -> None:
    issue = scene.shop / "issue.md"
    plain, fresh, bare = scene.folder / "plain", scene.folder / "fresh", scene.folder / "bare.git"
    plain.mkdir()
    scene.repository("fresh", FILES, commit=False)
    subprocess.run(["git", "clone", "--quiet", "--bare", str(scene.shop), str(bare)], check=True)
    for place, says, hint in (
        (scene.folder / "nowhere", "nowhere is not a folder", "--repo DIR"),
        (plain, "is not in a git repository", "git init"),
        (fresh, "has no commit yet", "git commit"),
        (bare, "is a bare repository", "clone it"),
    ):
        before = contents(place)
        scene.refused("solve", issue, "--repo", place, code=2, says=says, hint=hint, env=NO_ENGINE)
        assert contents(place) == before


@pytest.mark.parametrize(
    ("arguments", "says", "hint"),
    [
        (["--pool", "practise"], "there is no pool 'practise'", "did you mean `--pool practice`?"),
        (["--pool", "./mine.toml"], "there is no pool file", "known pools: laptop, paper, practice"),
        (["--agent", "xxl"], "has no agent 'xxl'; it has xs, s, m, l", "name one of them"),
        (["--agent", "XL"], "has no agent 'XL'; it has xs, s, m, l", "name one of them"),
        (["--attempts", "0"], "'--attempts'", "sale solve --help"),
        (["--thrift", "-1"], "'--thrift'", "sale solve --help"),
        (["--thrift", "much"], "'--thrift'", "sale solve --help"),
        (["--seed", "99999999999"], "seed must be less than 4294967296", "mend the value"),
        (["--apply", "main"], "'--apply'", "sale solve --help"),
        (["--patch", "no/such/a.patch"], "there is no folder", "mkdir -p"),
        (["--patch", "."], "--patch . is a folder", "my.patch"),
        (["--nosuch"], "--nosuch", "sale solve --help"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_options(scene: Scene, arguments: list[str], says: str, hint: str) -> None:
    scene.refused("solve", "issue.md", *arguments, code=2, says=says, hint=hint, env=NO_ENGINE)


def test_no_such_run(scene: Scene) -> None:
    for command in ("show", "apply"):
        scene.refused(command, "7f3a", code=2, says="no run '7f3a'", hint="sale solve ISSUE", env=NO_ENGINE)


@pytest.mark.parametrize(
    ("text", "says", "hint"),
    [
        ("attemps = 3\n", "line 1: unknown key 'attemps'; did you mean 'attempts'?", "known here: pool"),
        (
            'pool = "practice"\n\n[sandbox]\nmemroy = "1g"\n',
            "line 4: unknown key 'sandbox.memroy'; did you mean 'sandbox.memory'?",
            "sandbox.cpus",
        ),
        ("[sandbx]\npids = 64\n", "line 1: unknown key 'sandbx'; did you mean 'sandbox'?", "models"),
        ("seed = 1\nattempts = 'two'\n", "line 2: attempts must be a whole number, not 'two'", "mend"),
        ("seed = 1\n\nattempts = = 2\n", "line 3: not TOML", "mend that line"),
        ("[work]\nsteps = 0\n", "line 2: work.steps must be at least 1, not 0", "mend"),
    ],
    ids=["unknown key", "in a table", "unknown table", "wrong type", "broken", "too small"],
)
def test_settings(scene: Scene, text: str, says: str, hint: str) -> None:
    (scene.shop / "sale.toml").write_text(text)
    says = f"{scene.shop / 'sale.toml'}, {says}"
    scene.refused("solve", "issue.md", code=2, says=says, hint=hint, env=NO_ENGINE)


@pytest.mark.parametrize(
    ("kind", "says", "hint"),
    [
        ("missing", "does not exist", "sale models list"),
        ("folder", "is a folder", "inside it"),
        ("empty", "is empty", "download the file again"),
        ("truncated", "is cut short", "download the file again"),
        ("text", "is not a GGUF file", "name a file that ends in .gguf"),
        ("encoder", "is no text model: its architecture is 'bert'", "such as Qwen3"),
    ],
)
def test_model_file(scene: Scene, kind: str, says: str, hint: str) -> None:
    file = scene.folder / "the.gguf"
    if kind == "folder":
        file.mkdir()
    elif kind == "encoder":
        random_model(file, architecture="bert")
    elif kind != "missing":
        file.write_bytes(
            {"empty": b"", "text": b"hello\n", "truncated": PRACTICE_M.read_bytes()[:100_000]}[kind]
        )
    shown = str(file) if kind in ("folder", "encoder") else f"the model file {file}"
    said = f"agent m of pool practice: {shown} "
    pool = scene.pool(m=file)
    scene.refused("solve", "issue.md", "--pool", pool, code=3, says=said + says, hint=hint, env=NO_ENGINE)


def test_no_engine(scene: Scene) -> None:
    says = "no Docker engine answers at DOCKER_HOST=unix:///nonexistent (No such file or directory)"
    scene.refused("solve", "issue.md", code=3, says=says, hint="unset DOCKER_HOST", env=NO_ENGINE)


def test_no_permission_for_the_engine(scene: Scene) -> None:
    # A socket's path may have 107 bytes, and a test's own folder is often deeper than that.
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as engine:
        path = Path(folder, "engine")
        engine.bind(str(path))
        engine.listen()
        path.chmod(0)
        env = {"DOCKER_HOST": f"unix://{path}"}
        says = "this user may not speak to the Docker engine"
        scene.refused("solve", "issue.md", code=3, says=says, hint="usermod", env=env, bound=True)


@pytest.mark.docker
def test_no_image(scene: Scene) -> None:
    (scene.shop / "sale.toml").write_text('[sandbox]\nimage = "nosuch"\n')
    says = "the sandbox image nosuch:latest is missing"
    scene.refused("solve", "issue.md", code=3, says=says, hint="sale sandbox build")


@pytest.mark.docker
def test_memory_file(scene: Scene) -> None:
    folder: tuple[str | Path, ...] = ("solve", "issue.md", "--memory", scene.folder)
    scene.refused(*folder, code=2, says="is a folder", hint="name a file in it: --memory")
    memory = scene.folder / "memory.sqlite3"
    memory.write_bytes(b"not a database, not at all" * 10)
    asked: tuple[str | Path, ...] = ("solve", "issue.md", "--memory", memory)
    scene.refused(*asked, code=2, says="is damaged: it is not an SQLite file", hint="sale memory restore")
    assert memory.read_bytes() == b"not a database, not at all" * 10
    memory.unlink()
    assert prepare(memory) is None
    whole = memory.read_bytes()
    memory.chmod(0o444)
    scene.refused(*asked, code=2, says="may not be written", hint="chmod", bound=True)
    assert memory.read_bytes() == whole
    memory.chmod(0)
    scene.refused(*asked, code=2, says="may not be read", hint="chmod", bound=True)


def test_patch_may_not_be_written(scene: Scene) -> None:
    locked = scene.folder / "locked"
    locked.mkdir(0o555)
    says = "locked/a.patch may not be written"
    asked = ("solve", "issue.md", "--patch", locked / "a.patch")
    scene.refused(*asked, code=2, says=says, hint="another file", env=NO_ENGINE, bound=True)


def test_nowhere_to_keep_a_run(scene: Scene) -> None:
    locked = scene.folder / "locked"
    locked.mkdir(0o555)
    env = {**NO_ENGINE, "XDG_DATA_HOME": str(locked)}
    says = f"no run folder can be made in {locked / 'sale' / 'runs'}: Permission denied"
    scene.refused("solve", "issue.md", code=3, says=says, hint="XDG_DATA_HOME", env=env, bound=True)


IMPORTS = "import torchvision\n\n\ndef test_size():\n    assert torchvision.size == 3\n"


@pytest.mark.docker
@pytest.mark.parametrize(
    ("files", "options", "code", "says", "hint"),
    [
        ({"a.py": "x = 1\n"}, [], 2, "has no tests that sale can find", "--test-cmd"),
        ({"test_a.py": "x = 1\n"}, [], 2, "finds no test in other", "add tests"),
        (
            FILES,
            ["--test-cmd", "nosuchprogram"],
            3,
            "cannot start in the sandbox: `nosuchprogram` says",
            "name a command that is there",
        ),
        (
            {**FILES, "pytest.ini": "[pytest]\naddopts = --nosuchoption\n"},
            [],
            3,
            "unrecognized arguments: --nosuchoption",
            "mend that",
        ),
        (
            {**FILES, "conftest.py": "import torchvision\n"},
            [],
            3,
            "imports torchvision, which is neither in the repository nor in the sandbox image",
            "sale sandbox build --base IMAGE",
        ),
        (
            {"test_a.py": IMPORTS},
            [],
            3,
            "test_a imports torchvision, which is neither",
            "name it in the task",
        ),
        (
            {
                "src/shop/__init__.py": "",
                "tests/test_a.py": "import shop\n\ndef test_a():\n    assert shop.x\n",
            },
            [],
            3,
            "does not find the module shop, which lies in src/",
            "PYTHONPATH=src",
        ),
    ],
    ids=["no tests", "empty tests", "no program", "bad option", "conftest", "no such module", "src layout"],
)
def test_tests_that_cannot_start(
    scene: Scene, files: dict[str, str], options: list[str], code: int, says: str, hint: str
) -> None:
    other = scene.repository("other", files)
    before = contents(other)
    asked: tuple[str | Path, ...] = ("solve", "issue.md", "--repo", other, *options)
    scene.refused(*asked, code=code, says=says, hint=hint)
    assert contents(other) == before
