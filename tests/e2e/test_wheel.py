"""The wheel, built from the sdist and installed elsewhere: everything that it needs is inside."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

from salecli import __version__
from tests.solved import EASY

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.slow


def run(*command: str | Path, cwd: Path) -> str:
    """stdout of a command that has to succeed."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, env=environment, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("sdist")
    run(sys.executable, "-m", "build", "--sdist", "--no-isolation", "--outdir", out, ROOT, cwd=out)
    return next(out.glob("*.tar.gz"))


@pytest.fixture(scope="module")
def wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from the unpacked sdist, so that nothing of the checkout can slip in beside it."""
    out = tmp_path_factory.mktemp("wheel")
    run("tar", "-xzf", sdist, "-C", out, cwd=out)
    source = out / f"sale-{__version__}"
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", out, source, cwd=out)
    return next(out.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` folder of a fresh environment that holds the wheel, and sees this one's packages.

    A path in a .pth file is all that it shares: an editable installation of the checkout stays invisible.
    """
    environment = tmp_path_factory.mktemp("installed") / "venv"
    run(sys.executable, "-m", "venv", "--without-pip", environment, cwd=environment.parent)
    python = environment / "bin" / "python"
    install = ("--no-deps", "--no-index", "--disable-pip-version-check", wheel)
    run(sys.executable, "-m", "pip", "--python", python, "install", *install, cwd=environment.parent)
    site = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=ROOT).strip())
    (site / "packages.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return environment / "bin"


def test_the_wheel_holds_what_it_needs_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    info = f"sale-{__version__}.dist-info/"
    assert [name for name in names if not name.startswith(("salecli/", info))] == []
    assert [name for name in names if "__pycache__" in name or "egg-info" in name] == []
    wanted = {
        *(f"salecli/_data/{path.relative_to(ROOT)}" for path in (ROOT / "prompts").rglob("*.md")),
        *(f"salecli/_data/sandbox/{path.name}" for path in (ROOT / "sandbox").iterdir() if path.is_file()),
        *(f"salecli/pools/{path.name}" for path in (ROOT / "salecli" / "pools").iterdir() if path.is_file()),
        *(str(path.relative_to(ROOT)) for path in (ROOT / "salecli").rglob("*.py")),
        "salecli/py.typed",
        f"{info}licenses/LICENSE",
    }
    assert sorted(wanted - names) == []
    assert "salecli/pools/practice.toml" in names


def test_the_sdist_holds_no_clutter(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        tops = {name.split("/")[1] for name in archive.getnames() if "/" in name}
    allowed = {"salecli", "prompts", "sandbox", "README.md", "CHANGELOG.md", "LICENSE", "constraints.txt"}
    assert tops - allowed <= {"pyproject.toml", "PKG-INFO", ".gitignore"}


def test_the_installed_command_finds_its_parts(installed: Path, tmp_path: Path) -> None:
    assert run(installed / "sale", "--version", cwd=tmp_path) == f"sale {__version__}\n"
    code = (
        "import json, salecli; from salecli import resources; "
        "print(json.dumps([str(p) for p in (salecli.__file__, resources.prompts(), resources.sandbox())]))"
    )
    places = json.loads(run(installed / "python", "-c", code, cwd=tmp_path))
    assert [place for place in places if not Path(place).is_relative_to(installed.parent)] == []
    assert (Path(places[1]) / "compact" / "work.md").is_file()
    assert (Path(places[2]) / "Dockerfile").is_file()


def test_the_installed_practice_pool_has_its_models(installed: Path, tmp_path: Path) -> None:
    lines = run(
        installed / "sale", "models", "list", "--pool", "practice", "--json", cwd=tmp_path
    ).splitlines()
    rows = [json.loads(line) for line in lines]
    assert [(row["agent"], row["state"]) for row in rows] == [
        (name, "found") for name in ("xs", "s", "m", "l")
    ]
    assert [row["file"] for row in rows if not Path(row["file"]).is_relative_to(installed.parent)] == []


def test_the_installed_command_writes_settings(installed: Path, tmp_path: Path) -> None:
    run("git", "init", "--quiet", ".", cwd=tmp_path)
    run(installed / "sale", "init", cwd=tmp_path)
    assert "# pool = " in (tmp_path / "sale.toml").read_text()


@pytest.mark.docker
def test_the_installed_command_solves_a_practice_task(installed: Path, tmp_path: Path) -> None:
    shop = tmp_path / "shop"
    level, seed = map(str, EASY)
    run(installed / "sale", "practice", "new", shop, "--level", level, "--seed", seed, cwd=tmp_path)
    assert run(installed / "sale", "solve", "issue.md", cwd=shop).startswith("diff --git ")
