"""What may leave a sandbox: honest trees byte for byte, anything that could harm this machine not at all."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from salecli.adapters import changes
from salecli.adapters.apply import apply_patch
from salecli.adapters.git import Repository
from salecli.core.values import Patch
from salecli.errors import PatchRefused
from tests.adapters.sandboxes import FIXED, fingerprint
from tests.sandbox.place import FILES, Place

pytestmark = pytest.mark.docker

HOOK = "printf '#!/bin/sh\\ntouch /tmp/harmed\\n'"
REFUSED = {
    "a link to a file of this machine": ("ln -s /etc/passwd link", "outside of the tree"),
    "a link upwards": ("mkdir d; ln -s ../../secret d/link", "outside of the tree"),
    "a link through a link": ("ln -s . here; ln -s here/../../x link", "outside of the tree"),
    "a link home": ("ln -s '~/.ssh/id_rsa' link", "outside of the tree"),
    "a file replaced by a link": ("ln -sf /etc/shadow calc.py", "outside of the tree"),
    "a link in place of a file that git reads": ("ln -s calc.py .gitattributes", "git reads"),
    "a hook": (f"mkdir -p .git/hooks; {HOOK} >.git/hooks/pre-commit", "into .git"),
    "git's configuration": (
        "mkdir .git; echo '[core] fsmonitor=touch /tmp/harmed' >.git/config",
        "into .git",
    ),
    "in capitals": (f"mkdir -p .GIT/hooks; {HOOK} >.GIT/hooks/post-checkout", "into .git"),
    "by its short name": ("mkdir git~1; touch git~1/config", "into .git"),
    "with a character that is ignored": ("mkdir $'.g\\u200cit'; touch $'.g\\u200cit/config'", "invisible"),
    "with a dot or a blank behind": ("mkdir '.git. '; touch '.git. /config'", "into .git"),
    "as a stream": ("mkdir '.git::$INDEX_ALLOCATION'; touch '.git::$INDEX_ALLOCATION/x'", "into .git"),
    "nested": ("mkdir -p sub/.git/hooks; touch sub/.git/hooks/x", "into .git"),
    "as a file": ("echo 'gitdir: /tmp/elsewhere' >.git", "into .git"),
    "a repository inside": (
        "mkdir -p inner/.git; echo 'ref: x' >inner/.git/HEAD; touch inner/a",
        "into .git",
    ),
    "a link into it": ("ln -s .git/config link", "into .git"),
    "a FIFO": ("mkfifo pipe", "FIFO"),
    "a line break": ("touch $'a\\nb'", "control character"),
    "an escape code": ("touch $'\\e[2Jx'", "control character"),
    "a C1 control": ("touch $'\\u009bx'", "control character"),
    "text turned around": ("touch $'x\\u202etxt.py'", "invisible"),
    "not UTF-8": ("touch $'\\xff\\xfe'", "not valid UTF-8"),
    "a backslash": ("touch 'a\\b'", "backslash"),
    "twins by case": ("touch CALC.py", "one name"),
    "twins by folder": ("mkdir d D; touch d/a D/a", "one name"),
    "twins by normal form": ("touch $'caf\\u00e9' $'cafe\\u0301'", "one name"),
    "a large file": ("head -c 110M /dev/zero >large", "in one file"),
    "many bytes": ("for n in 1 2 3; do head -c 30M /dev/urandom >$n; done", "more than 64 MiB"),
}


@pytest.fixture
def theirs(place: Place, tmp_path: Path) -> Path:
    """A copy of the repository, for patches to be applied to."""
    copy = tmp_path / "theirs"
    shutil.copytree(place.repository, copy)
    return copy


@pytest.mark.parametrize("what", REFUSED)
def test_refused(place: Place, what: str) -> None:
    command, reason = REFUSED[what]
    done = place.sandbox.run(command)
    assert done.exit_code == 0, done.output
    with pytest.raises(PatchRefused, match=reason) as caught:
        place.sandbox.collect()
    assert caught.value.message.isprintable()


def test_what_cannot_even_be_made(place: Place) -> None:
    done = place.sandbox.run(
        "mknod disk b 8 0; mknod null c 1 3; head -c 1G /dev/zero >huge; ls huge disk null"
    )
    assert done.output.count("not permitted") == 2
    assert "No space left" in done.output
    assert place.sandbox.run("rm huge").exit_code == 0
    assert place.sandbox.collect().empty


def test_a_socket_stays_behind(place: Place) -> None:
    bind = "import socket; socket.socket(socket.AF_UNIX).bind('s')"
    assert place.sandbox.run(f'python3 -c "{bind}"; test -S s').exit_code == 0
    assert place.sandbox.collect().empty


def test_very_many_files(place: Place) -> None:
    """As many as this tree can hold; those of a larger one are counted while they are read."""
    script = "import os\nfor n in range(40_000):\n    os.close(os.open(f'f{n}', os.O_CREAT))"
    assert place.sandbox.run(f"mkdir many; cd many; python3 - <<'END'\n{script}\nEND").exit_code == 0
    with pytest.raises(PatchRefused, match=f"40,000 files were changed, more than {changes.MAX_CHANGED:,}"):
        place.sandbox.collect()


def test_honest_trees_come_out_byte_for_byte(place: Place, theirs: Path) -> None:
    everything = bytes(range(256)) * 300
    raw = "".join(f"\\x{byte:02x}" for byte in range(256))
    commands = (
        f"for n in $(seq 300); do printf '{raw}'; done >all.bin",
        "printf 'no newline' >'a name  with blanks; $(touch x) `y` *.py'",
        "printf 'one\\r\\ntwo\\r' >crlf.txt; printf '\\xef\\xbb\\xbfmark' >bom.txt",
        "mkdir -p ü/日本; echo é >ü/日本/ß.txt; echo x >-rf; echo y >'@{-1}'; echo z >:x",
        "ln -s ../calc.py ü/link; chmod 0 calc.py; chmod 755 .env; rm binary.bin; : >empty",
    )
    for command in commands:
        assert place.sandbox.run(command).exit_code == 0
    patch = place.sandbox.collect()
    assert {change.path for change in patch.changes} == {
        "all.bin", "a name  with blanks; $(touch x) `y` *.py", "crlf.txt", "bom.txt", "ü/日本/ß.txt", "-rf",
        "@{-1}", ":x", "ü/link", ".env", "binary.bin", "empty",
    }  # fmt: skip
    store = place.snapshot.store
    entries = store.entries(patch.tree)
    assert store.blob(entries["all.bin"].id) == everything
    assert store.blob(entries["crlf.txt"].id) == b"one\r\ntwo\r"
    assert (entries[".env"].mode, entries["ü/link"].mode) == ("100755", "120000")
    assert place.snapshot.store.applied(place.snapshot.tree, patch.diff) == patch.tree
    apply_patch(Repository(theirs), patch, "run", "worktree")
    assert (theirs / "all.bin").read_bytes() == everything
    assert (theirs / "ü" / "link").readlink().as_posix() == "../calc.py"
    assert not (theirs / "binary.bin").exists()
    assert not (theirs / "x").exists()


LATER = {
    ".github/workflows/ci.yml": "on: push", "conftest.py": "", "sub/conftest.py": "", "x.pth": "import os",
    "Makefile": "all:", "package.json": "{}", "setup.py": "", ".pre-commit-config.yaml": "repos: []",
    ".vscode/tasks.json": "{}", ".envrc": "", ".gitattributes": "* filter=x", ".gitmodules": "[submodule]",
    ".husky/pre-commit": "x", "Jenkinsfile": "", "sitecustomize.py": "",
}  # fmt: skip


def test_what_runs_on_this_machine_later_is_flagged(place: Place) -> None:
    for path, text in LATER.items():
        place.sandbox.write(path, text)
    patch = place.sandbox.collect()
    assert {change.path for change in patch.changes if "runs on the host" in change.flags} == LATER.keys()


HEAD = "diff --git a/n b/n\n"
NEW = "new file mode 100644\nindex 0000000..2ef267e\n--- /dev/null\n+++ "
HOSTILE = {
    "upwards": "diff --git a/../x b/../x\n" + NEW + "b/../x\n@@ -0,0 +1 @@\n+some content\n",
    "absolute": "diff --git a//tmp/x b//tmp/x\n" + NEW + "b//tmp/x\n@@ -0,0 +1 @@\n+some content\n",
    "a hook": "diff --git a/.git/hooks/x b/.git/hooks/x\n" + NEW + "b/.git/hooks/x\n@@ -0,0 +1 @@\n+x\n",
    "a copy of git's configuration": HEAD + "similarity index 100%\ncopy from .git/config\ncopy to n\n",
    "a submodule": HEAD + "new file mode 160000\n--- /dev/null\n+++ b/n\n@@ -0,0 +1 @@\n"
    "+Subproject commit 1111111111111111111111111111111111111111\n",
    "a link and a file through it": "diff --git a/l b/l\nnew file mode 120000\n--- /dev/null\n+++ b/l\n"
    "@@ -0,0 +1 @@\n+/tmp\n\\ No newline at end of file\n"
    "diff --git a/l/x b/l/x\n" + NEW + "b/l/x\n@@ -0,0 +1 @@\n+x\n",
    "half of it": "diff --git a/calc.py b/calc.py\n--- a/calc.py\n+++ b/calc.py\n@@ -1,2 +1,2 @@\n"
    " def add(a, b):\n-    return a - b\n+    return a + b\n"
    "diff --git a/test_calc.py b/test_calc.py\n--- a/test_calc.py\n+++ b/test_calc.py\n"
    "@@ -1 +1 @@\n-no\n+x\n",
}


@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_patches_change_nothing(place: Place, what: str) -> None:
    before = fingerprint(place.repository)
    with pytest.raises(PatchRefused):
        place.workspace.verify(Patch(place.snapshot.tree, "", HOSTILE[what], ()))
    with pytest.raises(PatchRefused):
        apply_patch(Repository(place.repository), Patch("", "", HOSTILE[what], ()), "run", "worktree")
    assert fingerprint(place.repository) == before


def test_from_a_folder_below_and_with_files_edited_meanwhile(place: Place, theirs: Path) -> None:
    place.sandbox.write("calc.py", FIXED)
    place.sandbox.write("deep/down/new.txt", "new\n")
    patch = place.sandbox.collect()
    below = theirs / "below"
    below.mkdir()
    (theirs / "calc.py").write_text("mine = 1\n")
    before = fingerprint(theirs)
    with pytest.raises(PatchRefused):
        apply_patch(Repository(below), patch, "run", "worktree")
    assert fingerprint(theirs) == before
    (theirs / "calc.py").write_text(FILES["calc.py"])
    apply_patch(Repository(below), patch, "run", "worktree")
    assert (theirs / "calc.py").read_text() == FIXED
    assert (theirs / "deep" / "down" / "new.txt").read_text() == "new\n"
