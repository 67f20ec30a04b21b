"""Which files a test command is told by, and which are what it tests."""

from __future__ import annotations

import pytest

from salecli.adapters.commanded import commanded


@pytest.mark.parametrize(
    ("command", "held"),
    [
        ("sh run_tests.sh", "run_tests.sh"),
        ("./run_tests.sh -v | tee log", "run_tests.sh"),
        ("cd sub && sh run.sh", "sub/run.sh"),
        ('cd "$PWD/sub"; ../tools/run.sh', "tools/run.sh"),
        ("$PWD/run.sh", "run.sh"),
        ("/work/run.sh", "run.sh"),
        ('bash "run tests.sh"', "run tests.sh"),
        ("sh -c 'sh run.sh'", "run.sh"),
        ("for f in t/*.sh; do sh $f; done", "t/one.sh"),
        ("python3 -m checks.all", "checks/all.py"),
        ("python3 -m checks", "checks/__main__.py"),
        ("python3 -m doctest calc.py", "doctest.py"),
        ("pytest -c other.cfg checks/api.py::test_x", "other.cfg"),
        ("pytest -c other.cfg checks/api.py::test_x", "checks/api.py"),
        ("./prog <in.txt | diff - out.txt", "out.txt"),
        ("gcc -o t calc.c test_calc.c && ./t", "test_calc.c"),
        ("make test", "Makefile"),
        ("make test", "GNUmakefile"),
        ("make -C lib test", "lib/rules.mk"),
        ("sh -c 'make check'", "makefile"),
        ("FOO=1 /usr/bin/make", "Makefile"),
        ("just test", "justfile"),
        ("npm test", "package.json"),
        ("python3 -m invoke test", "tasks.py"),
        ("nox -s tests", "noxfile.py"),
        ("tox -q", "tox.ini"),
    ],
)
def test_what_decides_how_the_tests_run(command: str, held: str) -> None:
    assert commanded(command).holds(held)


@pytest.mark.parametrize(
    ("command", "free"),
    [
        ("sh run_tests.sh", "calc.py"),
        ("sh run_tests.sh", "sub/run_tests.sh"),
        ("sh run_tests.sh", "Makefile"),
        ("PYTHONPATH=src python3 -m pytest tests", "src/calc.py"),
        ("python3 -m unittest discover -p '*.py'", "calc.py"),
        ("python3 -m doctest calc.py", "calc.py"),
        ("python3 -m pytest --doctest-modules calc.py", "calc.py"),
        ("mypy calc.py && python3 -m pytest", "calc.py"),
        ("gcc -o t calc.c test_calc.c && ./t", "calc.c"),
        ("CC=gcc x86_64-linux-gnu-gcc-12 calc.c", "calc.c"),
        ("python3 calc.py <in.txt | diff - out.txt", "calc.py"),
        ("python3 -m pytest -q", "package.json"),
        ("", "calc.py"),
    ],
)
def test_what_is_tested_may_be_changed(command: str, free: str) -> None:
    assert not commanded(command).holds(free)
