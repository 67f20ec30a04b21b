"""The sandbox image and the commands around it, with a real engine."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from salecli import resources
from salecli.adapters import image
from salecli.adapters.engine import connect
from salecli.cli import main
from salecli.errors import SandboxError

if TYPE_CHECKING:
    from docker import DockerClient

pytestmark = pytest.mark.docker


@pytest.fixture
def client() -> Iterator[DockerClient]:
    opened = connect()
    yield opened
    opened.close()


def test_every_file_of_the_build_context_counts(tmp_path: Path) -> None:
    assert image.content_hash() == image.content_hash(resources.sandbox())
    for name in ("Dockerfile", "runner.py", "make-base.sh"):
        folder = tmp_path / name
        shutil.copytree(resources.sandbox(), folder)
        (folder / name).write_text((folder / name).read_text() + "\n")
        assert image.content_hash(folder) != image.content_hash()


def test_an_image_that_is_there_is_not_built_again(client: DockerClient) -> None:
    said: list[str] = []
    built = image.build(client, None, False, said.append)
    assert (built.fresh, said) == (False, [])
    assert built.id == image.current(client) == image.pinned(client, image.IMAGE)


def test_an_image_without_our_runner_is_refused(client: DockerClient, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(f"FROM {image.IMAGE}\nLABEL sale.context=other\n")
    client.images.build(path=str(tmp_path), tag="sale-test-other:1", rm=True)
    try:
        with pytest.raises(SandboxError, match="test runner") as caught:
            image.pinned(client, "sale-test-other:1")
        assert "sale sandbox build --base sale-test-other:1" in caught.value.hint
    finally:
        client.images.remove("sale-test-other:1")


def test_a_base_that_cannot_be_had_says_so(client: DockerClient) -> None:
    with pytest.raises(SandboxError, match="sale-no-such-base:1") as caught:
        image.build(client, "sale-no-such-base:1", False, lambda _: None)
    assert "--base" in caught.value.hint
    assert image.current(client) is not None


def test_clean_from_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sandbox", "clean"]) == 0
    assert "containers" in capsys.readouterr().err
