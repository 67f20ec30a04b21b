"""Settings, pools and TOML: a file is read, or refused in a line that names it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from salecli import resources, toml
from salecli.config import load_settings, size
from salecli.errors import ConfigError, SaleError, UsageError
from salecli.pool import load_pool
from tests.fuzz.hostile import CODES, MEGABYTE, TEXT, damaged, grows_in_proportion, made_or

KEYS = st.sampled_from(
    ["pool", "thrift", "attempts", "seed", "refine", "apply", "test_command", "memory", "path", "k",
     "work", "steps",
     "sandbox", "cpus", "size", "models", "budget", "folder", "tui", "theme", "keys", "auto", "agents",
     "name", "price",
     "model", "context", "weights", "judges", "limits", "prompts", "plan_tokens", "sampling"]
) | st.text("abc.\"'\n", max_size=5)  # fmt: skip
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | TEXT
    | st.sampled_from(["~nobody/x", "\0", "2g", "80%", "a/b"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)
TABLES = st.dictionaries(KEYS, VALUES, max_size=6)


def written(value: object) -> str:
    """A value as TOML."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{written(str(key))} = {written(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(written, value)) + "]"
    if isinstance(value, str):
        points = (ord(sign) if not 0xD800 <= ord(sign) < 0xE000 else 0xFFFD for sign in value)
        return '"' + "".join(f"\\U{point:08x}" for point in points) + '"'
    return str(value).lower() if isinstance(value, bool | float) else "0" if value is None else str(value)


def document(table: Mapping[str, object]) -> bytes:
    return "".join(f"{written(key)} = {written(value)}\n" for key, value in table.items()).encode()


FILES = st.one_of(
    TABLES.map(document),
    st.binary(max_size=300),
    st.text(CODES, max_size=300).map(lambda text: text.encode("utf-8", "surrogatepass")),
    damaged((resources.pools() / "practice.toml").read_bytes()),
)


def one_line(made: object) -> None:
    """A refusal is one line that a person can read."""
    if isinstance(made, SaleError):
        assert len(made.message) < 2_000
        assert len(made.message.splitlines()) == 1


@given(FILES, st.sampled_from(["sale.toml", "pyproject.toml"]))
@example(b"a." * 3000 + b"a = 1", "sale.toml")
@example(b"keys." + b"a." * 3000 + b"a = 1", "sale.toml")
@example(b"keys = " + b"[" * 300 + b"]" * 300, "sale.toml")
@example(b"seed = " + b"9" * 5000, "sale.toml")
@example(b"seed = 0x" + b"f" * 5000, "sale.toml")
@example(b"[sandbox]\nmemory = '" + b"9" * 400 + b"t'\n", "sale.toml")
@example(b"[tool.sale]\nattempts = 'x'\n", "pyproject.toml")
def test_a_repositorys_settings_are_read_or_refused(tmp_path: Path, raw: bytes, name: str) -> None:
    for old in tmp_path.iterdir():
        old.unlink()
    (tmp_path / name).write_bytes(raw)
    one_line(made_or(ConfigError, lambda: load_settings(tmp_path)))


@given(FILES)
@example(b"memory.path = '~nobody/x'")
@example(b"pool = '~nobody/x'")
@example(b'memory.path = "\\u0000"')
def test_the_users_settings_are_read_or_refused(raw: bytes) -> None:
    file = resources.user_file()
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(raw)
    one_line(made_or(ConfigError, load_settings))


@given(st.dictionaries(KEYS, VALUES, max_size=4))
def test_options_are_taken_or_refused(options: dict[str, object]) -> None:
    one_line(made_or(UsageError, lambda: load_settings(None, options)))


AGENT = b"name = 'p'\n[[agents]]\nname = 'a'\nprice = 1\nmodel = "


@given(FILES)
@example(AGENT + b"'~nobody/x.gguf'")
@example(AGENT + b'"\\u0000"')
@example(AGENT + b"'" + b"x" * 6000 + b"'")
@example(AGENT + b"'x'\ncontext = " + b"9" * 4000)
@example(AGENT + b"'x'\nsampling = " + b"{top_k=" * 200 + b"1" + b"}" * 200)
def test_a_pool_is_read_or_refused(tmp_path: Path, raw: bytes) -> None:
    file = tmp_path / "pool.toml"
    file.write_bytes(raw)
    pool = made_or(ConfigError, lambda: load_pool(str(file), tmp_path))
    one_line(pool)
    if isinstance(pool, ConfigError):
        return
    assert len(pool.hash()) == 16
    assert set(pool.market_weights().judges) == set(pool.names)


@given(TEXT)
@example("9" * 400)
def test_a_size_is_a_number_or_a_value_error(text: str) -> None:
    with suppress(ValueError):
        assert size(text) > 0


@pytest.mark.parametrize(
    "unit",
    [
        b"\n", b"[tool]\n", b" ", b"seed = 1 # attemps\n", b"# attemps\n", b"a.", b"[", b"{", b"\"",
        b"'''", b"attemps = [\n",
        b"attemps = 1\n", b"[[agents]]\n", b"[tool.\"sale", b"x = [1,\n2]\n", b"\xff", b"9", b"x.y = 1\n",
    ],
    ids=repr,
)  # fmt: skip
def test_time_grows_with_the_file(tmp_path: Path, unit: bytes) -> None:
    def tried(name: str, raw: bytes) -> None:
        (tmp_path / name).write_bytes(raw)
        with suppress(ConfigError):
            load_settings(tmp_path)
        (tmp_path / name).unlink()

    numbered = b"".join(unit.replace(b"=", b"%d =" % number) for number in range(4)) if b"=" in unit else unit
    grows_in_proportion(lambda raw: tried("pyproject.toml", raw), numbered)
    for size_ in (MEGABYTE, toml.LARGEST):
        grows_in_proportion(lambda raw: tried("sale.toml", raw + b"\nattemps = 1\n"), numbered, size_ - 40)


def test_a_name_of_hundreds_of_parts_is_refused(tmp_path: Path) -> None:
    for line in ("a." * 300 + "a = 1", "['a'. 'a'" + " .\ta" * 300 + "]"):
        (tmp_path / "sale.toml").write_text(f"seed = 1\n{line}\n")
        with pytest.raises(ConfigError, match=r"line 2: a name of more than 200 parts"):
            load_settings(tmp_path)


def test_a_file_without_end_is_not_read_to_its_end(tmp_path: Path) -> None:
    for name in ("pyproject.toml", "sale.toml"):
        with (tmp_path / name).open("wb") as file:
            file.write(b"[tool.sale]\n")
            file.truncate(1 << 40)
        with pytest.raises(ConfigError, match="too many"):
            load_settings(tmp_path)
        (tmp_path / name).unlink()
