"""Settings: where they come from, which one wins, and that every complaint names file, line and key."""

from __future__ import annotations

from pathlib import Path

import pytest

from salecli import toml
from salecli.config import Settings, load_settings, size
from salecli.errors import ConfigError, UsageError
from salecli.resources import user_file


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_defaults() -> None:
    settings = load_settings()
    assert settings == Settings()
    assert (settings.pool, settings.thrift, settings.attempts, settings.apply) == (
        "practice",
        None,
        2,
        "none",
    )
    assert (settings.work.steps, settings.work.tokens, settings.work.seconds) == (30, 16_000, 600.0)
    assert settings.models.budget_bytes(1_000) == 800


def test_the_data_folder_follows_xdg(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert load_settings().memory.path == tmp_path / "sale" / "memory.sqlite3"


def test_later_sources_win(tmp_path: Path) -> None:
    write(user_file(), "attempts = 3\nseed = 3\n[work]\nsteps = 3\ntokens = 3\n[sandbox]\npids = 33\n")
    write(tmp_path / "pyproject.toml", "[tool.sale]\nattempts = 4\nseed = 4\n[tool.sale.work]\nsteps = 4\n")
    write(tmp_path / "sale.toml", "attempts = 5\n")
    settings = load_settings(tmp_path, {"thrift": 0.25, "attempts": None, "sandbox.cpus": 1.0})
    assert (settings.attempts, settings.seed) == (5, 4)
    assert (settings.work.steps, settings.work.tokens) == (4, 3)
    assert (settings.sandbox.pids, settings.sandbox.cpus) == (33, 1.0)
    assert settings.thrift == 0.25
    assert load_settings(tmp_path, {"attempts": 6}).attempts == 6


def test_paths_start_where_they_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = user_file().parent
    write(user_file(), 'pool = "pools/own.toml"\n[memory]\npath = "m.db"\n[models]\nfolder = "~/gguf"\n')
    settings = load_settings(tmp_path / "repo")
    assert settings.memory.path == home / "m.db"
    assert settings.pool == str(home / "pools" / "own.toml")
    assert settings.models.folder == Path.home() / "gguf"
    monkeypatch.chdir(tmp_path)
    assert load_settings(tmp_path / "repo", {"pool": "./mine.toml"}).pool == str(tmp_path / "mine.toml")
    assert load_settings(tmp_path / "repo", {"pool": "practice"}).pool == "practice"


@pytest.mark.parametrize(
    ("text", "line", "wanted"),
    [
        ("attempts = 2\natempts = 3\n", 2, ["'atempts'", "'attempts'"]),
        ("[work]\nsteps = 3\n\nstep = 4\n", 4, ["'work.step'", "'work.steps'"]),
        ("# steps\nsteps = 3\n", 2, ["'steps'", "'work.steps'"]),
        ("[sandbox]\nimage = '''\nnetwork = 1\n'''\nnetwork = true\n", 5, ["'sandbox.network'"]),
        ("[wrok]\nsteps = 3\n", 1, ["'wrok'"]),
        ('work = {steps = 3, "stpes" = 4}\n', 1, ["'work.stpes'", "'work.steps'"]),
        ("work.stpes = 4\n", 1, ["'work.stpes'", "'work.steps'"]),
        ('attempts = "2"\n', 1, ["attempts", "whole number", "'2'"]),
        ("\n\nattempts = true\n", 3, ["attempts", "whole number"]),
        ("attempts = 0\n", 1, ["attempts", "at least 1", "0"]),
        ("thrift = -0.5\n", 1, ["thrift", "at least 0"]),
        ("thrift = nan\n", 1, ["thrift", "finite"]),
        ('apply = "branch"\n', 1, ["apply", "yours"]),
        ('seed = 1\npool = "./own.toml"\n', 2, ["by its name"]),
        ('[memory]\nk = 8\npath = "m.db"\n', 3, ["memory.path", "yours"]),
        ('[models]\nfolder = "gguf"\n', 2, ["models.folder", "yours"]),
        ('refine = "yes"\n', 1, ["refine", "true or false"]),
        ("test_command = 3\n", 1, ["test_command", "text in quotes"]),
        ("work = 3\n", 1, ["work", "table"]),
        ('[sandbox]\nmemory = "lots"\n', 2, ["sandbox.memory", "2g", "lots"]),
        ('[models]\nbudget = "140%"\n', 2, ["models.budget", "100%"]),
        ("attempts = \n", 1, ["not TOML"]),
        ("[work]\n[work]\n", 2, ["not TOML"]),
        ('a = "\n', 1, ["not TOML"]),
    ],
)
def test_a_fault_in_a_file_names_file_line_and_key(
    tmp_path: Path, text: str, line: int, wanted: list[str]
) -> None:
    own = write(tmp_path / "sale.toml", text)
    with pytest.raises(ConfigError) as caught:
        load_settings(tmp_path)
    message = caught.value.message
    assert message.startswith(f"{own}, line {line}: ")
    assert [one for one in wanted if one not in message] == []
    assert caught.value.hint


def test_a_fault_in_pyproject_counts_its_own_lines(tmp_path: Path) -> None:
    project = write(
        tmp_path / "pyproject.toml", "[project]\nname = 'x'\nseeds = 1\n\n[tool.sale]\nseeds = 1\n"
    )
    with pytest.raises(ConfigError) as caught:
        load_settings(tmp_path)
    assert caught.value.message == f"{project}, line 6: unknown key 'seeds'; did you mean 'seed'?"


def test_the_users_own_file_is_checked_alike() -> None:
    write(user_file(), "[memory]\nk = 8\npath = 3\n")
    with pytest.raises(ConfigError, match=r"line 3: memory\.path .*path in quotes"):
        load_settings()


def test_a_later_file_does_not_hide_a_fault_in_an_earlier_one(tmp_path: Path) -> None:
    write(user_file(), "attempts = 'many'\n")
    write(tmp_path / "sale.toml", "attempts = 3\n")
    with pytest.raises(ConfigError, match=r"config\.toml, line 1"):
        load_settings(tmp_path)


def test_a_project_file_without_our_table_is_not_our_business(tmp_path: Path) -> None:
    write(tmp_path / "pyproject.toml", "[project\nname = broken\n")
    assert load_settings(tmp_path) == Settings()


@pytest.mark.parametrize("content", [b'pool = "\xff\xfe"\n', b"\x00\x01\x02", b"a = 1\n" * 200_000])
def test_a_file_that_is_no_text_or_far_too_long(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "sale.toml").write_bytes(content)
    with pytest.raises(ConfigError, match=r"sale\.toml"):
        load_settings(tmp_path)


def test_windows_line_ends(tmp_path: Path) -> None:
    (tmp_path / "sale.toml").write_bytes(b"attempts = 3\r\n\r\n[work]\r\nstep = 1\r\n")
    with pytest.raises(ConfigError, match="line 4"):
        load_settings(tmp_path)


def test_an_override_of_the_wrong_kind_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="command line: attempts must be at least 1, not 0"):
        load_settings(None, {"attempts": 0})
    with pytest.raises(UsageError, match=r"command line: work\.steps"):
        load_settings(None, {"work.steps": "x"})


def test_settings_cannot_be_changed_afterwards() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load_settings().attempts = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [("1024", 1024), ("512m", 512 << 20), ("2G", 2 << 30), ("1.5k", 1536), ("8GiB", 8 << 30)],
)
def test_sizes(text: str, wanted: int) -> None:
    assert size(text) == wanted


@pytest.mark.parametrize("text", ["", "0", "-1", "2x", "m", "1e3"])
def test_wrong_sizes(text: str) -> None:
    with pytest.raises(ValueError, match="size"):
        size(text)


@pytest.mark.parametrize(
    ("key", "line"),
    [
        (("title",), 2),
        (("text",), 3),
        (("table", "title"), 8),
        (("table", "list"), 9),
        (("rows", 0, "title"), 14),
        (("rows", 1, "title"), 16),
        (("rows", 1), 15),
        (("table", "inline", "title"), 18),
        (("nothing",), None),
    ],
)
def test_the_line_of_a_key(key: toml.Key, line: int | None) -> None:
    text = "\n".join(
        [
            "# title = 0",
            "title = 1",
            'text = """',
            "title = 2",
            '[table]"""',
            "",
            "[table] # title",
            "title = 3",
            "list = [",
            "  # title = 4",
            "  5,",
            "]",
            "[[rows]]",
            "title = 6",
            "[[rows]]",
            "title = 7",
            "[table.inline]",
            '"title" = 8',
        ]
    )
    assert toml.line_of(text, key) == line


def test_the_nearest_key() -> None:
    known = ["pool", "seed", "work.steps", "sandbox.memory", "memory.path"]
    assert toml.nearest("poool", known) == "pool"
    assert toml.nearest("work.stpes", known) == "work.steps"
    assert toml.nearest("path", known) == "memory.path"
    assert toml.nearest("zzzz", known) == ""
