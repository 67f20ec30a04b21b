"""Servers and keys come from the user's own configuration alone; what is wrong in it is said."""

from __future__ import annotations

from pathlib import Path

import keyring
import pytest
from keyring.backend import KeyringBackend

from salecli.build import market
from salecli.config import load_settings
from salecli.errors import ConfigError
from salecli.pool import load_pool
from salecli.resources import user_file
from tests.e2e.world import practice, sale
from tests.endpoints.servers import free_port
from tests.solved import SHORT

AGENT = '[[agents]]\nname = "far"\nprice = 1.0\nmodel = "m"\n'
ON = 'backend = "openai"\nendpoint = "gpu"\n'


class InMemory(KeyringBackend):
    """A keyring for a test."""

    priority = 1.0

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.kept: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.kept[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        del self.kept[service, username]


def user(text: str) -> None:
    user_file().parent.mkdir(parents=True, exist_ok=True)
    user_file().write_text(text)


def pool(folder: Path, text: str) -> Path:
    path = folder / "mine.toml"
    path.write_text(f'name = "mine"\n{text}')
    return path


def opened(path: Path) -> None:
    with market(load_settings(), load_pool(str(path))):
        pass


@pytest.mark.parametrize("file", ["sale.toml", "pyproject.toml"])
def test_a_repository_names_no_server(tmp_path: Path, file: str) -> None:
    head = "[tool.sale.endpoints.gpu]" if file == "pyproject.toml" else "[endpoints.gpu]"
    (tmp_path / file).write_text(f'{head}\nbase_url = "http://evil.example/v1"\n')
    with pytest.raises(ConfigError, match=r"endpoints is yours to set, not a repository's") as error:
        load_settings(tmp_path)
    assert f"{file}, line 1" in error.value.message
    assert str(user_file()) in error.value.hint


def test_a_repository_chooses_no_pool_file_of_its_own(tmp_path: Path) -> None:
    """Not even one without an ending: it might name the user's own servers, and send them the task."""
    user(f'[endpoints.gpu]\nbase_url = "http://127.0.0.1:{free_port()}/v1"\n')
    repository = practice(tmp_path / "shop", *SHORT)
    (repository / "evil").write_text(f'name = "evil"\n{AGENT}{ON}')
    (repository / "sale.toml").write_text('pool = "evil"\n')
    done = sale("models", "list", cwd=repository)
    assert done.returncode == 2
    assert "there is no pool 'evil'" in done.stderr
    # The user himself may name it.
    done = sale("models", "list", "--pool", "./evil", cwd=repository)
    assert "cannot be reached" in done.stdout


@pytest.mark.parametrize(
    "line", ['base_url = "http://evil.example/v1"', 'key_env = "HOME"', 'keyring = "me"', 'api_key = "k"']
)
def test_a_pool_file_says_nothing_of_servers_and_keys(tmp_path: Path, line: str) -> None:
    with pytest.raises(ConfigError, match="a pool file says nothing of servers and keys") as error:
        load_pool(str(pool(tmp_path, f"{AGENT}{ON}{line}\n")))
    assert "mine.toml, line 8" in error.value.message
    assert "[endpoints.NAME]" in error.value.hint


@pytest.mark.parametrize("line", ['backend = "openai"', 'endpoint = "gpu"'])
def test_backend_and_endpoint_go_together(tmp_path: Path, line: str) -> None:
    with pytest.raises(ConfigError, match=r"(endpoint|backend) is missing"):
        load_pool(str(pool(tmp_path, f"{AGENT}{line}\n")))


def test_an_endpoint_that_is_not_configured(tmp_path: Path) -> None:
    user('[endpoints.gpus]\nbase_url = "http://127.0.0.1:1/v1"\n')
    with pytest.raises(ConfigError, match=r"names the endpoint 'gpu', which .* does not have") as error:
        opened(pool(tmp_path, AGENT + ON))
    assert "did you mean 'gpus'?" in error.value.hint


def test_a_key_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    user('[endpoints.gpu]\nbase_url = "https://gpu/v1"\nkey_env = "GPU_KEY"\n')
    monkeypatch.delenv("GPU_KEY", raising=False)
    with pytest.raises(ConfigError, match="the variable GPU_KEY is not set"):
        opened(pool(tmp_path, AGENT + ON))
    monkeypatch.setenv("GPU_KEY", "two\nlines")
    with pytest.raises(ConfigError, match="holds characters that no key has") as error:
        opened(pool(tmp_path, AGENT + ON))
    assert "lines" not in error.value.message
    monkeypatch.setenv("GPU_KEY", " k-1\n")
    opened(pool(tmp_path, AGENT + ON))


def test_a_key_is_named_once(tmp_path: Path) -> None:
    user('[endpoints.gpu]\nbase_url = "https://gpu/v1"\nkey_env = "GPU_KEY"\nkeyring = "gpu"\n')
    with pytest.raises(ConfigError, match="names its key twice") as error:
        opened(pool(tmp_path, AGENT + ON))
    assert error.value.hint == "leave one of them out"


def test_a_pool_on_servers_needs_no_plan(tmp_path: Path) -> None:
    user('[endpoints.gpu]\nbase_url = "https://gpu/v1"\n')
    done = sale("models", "plan", "--pool", str(pool(tmp_path, AGENT + ON)), cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "")
    assert "all its agents are on servers" in done.stderr


def test_a_key_of_the_keyring(tmp_path: Path) -> None:
    """The package itself, with a keyring in memory in place of the desktop's."""
    before = keyring.get_keyring()
    keyring.set_keyring(InMemory())
    try:
        user('[endpoints.gpu]\nbase_url = "https://gpu/v1"\nkeyring = "gpu"\n')
        with pytest.raises(ConfigError, match=r"keyring holds no key for gpu") as error:
            opened(pool(tmp_path, AGENT + ON))
        assert error.value.hint == "keyring set sale gpu"
        keyring.set_password("sale", "gpu", "k-1")
        opened(pool(tmp_path, AGENT + ON))
    finally:
        keyring.set_keyring(before)


@pytest.mark.parametrize(
    "url", ["gpu:8080/v1", "ftp://gpu/v1", "http://me:secret@gpu/v1", "http://gpu/v1?key=k"]
)
def test_an_address_that_is_none(url: str) -> None:
    user(f'[endpoints.gpu]\nbase_url = "{url}"\n')
    with pytest.raises(ConfigError, match=r"config.toml, line 2: endpoints.gpu.base_url must be an address"):
        load_settings()


def test_an_unknown_key_of_an_endpoint() -> None:
    user('[endpoints.gpu]\nbase_url = "http://gpu/v1"\nkey = "k-secret"\n')
    with pytest.raises(ConfigError, match=r"line 3: unknown key 'endpoints.gpu.key'") as error:
        load_settings()
    assert "k-secret" not in error.value.message + error.value.hint
