"""Finds the package's data folders, in an installed wheel or in a checkout, and the user's own folders."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def _folder(name: str) -> Path:
    """The folder `name`: first inside the installed package, then beside it in a checkout."""
    for candidate in (_PACKAGE / "_data" / name, _PACKAGE.parent / name):
        if candidate.is_dir():
            return candidate
    raise FileNotFoundError(f"the data folder {name!r} is missing from this installation")


def prompts() -> Path:
    """The folder of prompt templates; `compact/` inside it holds those for small contexts."""
    return _folder("prompts")


def templates(folder: Path) -> dict[str, str]:
    """Template sources by name: every `*.md` file of a folder of prompts."""
    return {path.stem: path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.md"))}


def sandbox() -> Path:
    """The Docker build context of the sandbox image."""
    return _folder("sandbox")


def pools() -> Path:
    """The folder of pool files that are shipped with the package."""
    return _PACKAGE / "pools"


def data_folder() -> Path:
    """Where memory and runs live; XDG_DATA_HOME is honoured."""
    import platformdirs  # most commands do without

    return Path(platformdirs.user_data_dir("sale", appauthor=False))


def user_file() -> Path:
    """The user's own configuration; XDG_CONFIG_HOME is honoured."""
    import platformdirs

    return Path(platformdirs.user_config_dir("sale", appauthor=False)) / "config.toml"
