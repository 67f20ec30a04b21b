"""Runs a repository's tests inside the sandbox and writes what happened as JUnit XML.

    python3 runner.py pytest|unittest REPORT [ARGUMENTS...]

Lies in the image where nothing inside the sandbox can write. The test framework is imported before the
tree under test becomes importable, so a `pytest.py` or `unittest/` in the tree cannot stand in for it.
Standard library only, any Python 3.8 or later; knows nothing of the package it belongs to.
"""

import os
import re
import sys
import traceback
import unittest
import xml.etree.ElementTree as ElementTree

NO_FRAMEWORK = 97
NO_TESTS = 5
UNPRINTABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def main():
    kind, report, arguments = sys.argv[1], sys.argv[2], sys.argv[3:]
    # The runner's own folder leaves the import path; the tree takes its place, as under `python3 -m`.
    sys.path[:] = [entry for entry in sys.path if entry != os.path.dirname(os.path.abspath(__file__))]
    code = run_pytest(report, arguments) if kind == "pytest" else run_unittest(report, arguments)
    sys.stdout.flush()
    sys.stderr.flush()
    # Neither an exit handler nor a forgotten thread of the tree has the last word on the exit code.
    os._exit(code)


def run_pytest(report, arguments):
    """Exit code of pytest; NO_FRAMEWORK where it is not installed."""
    try:
        import pytest
    except ImportError as error:
        print("pytest is not installed in the sandbox image:", error)
        return NO_FRAMEWORK
    options = ["-p", "no:cacheprovider", "--junitxml=" + report, "-o", "junit_family=xunit2"]
    sys.argv = ["pytest", *arguments]
    sys.path.insert(0, os.getcwd())
    return int(pytest.main([*options, *arguments]))


class Recorder(unittest.TextTestResult):
    """Notes every outcome as (id, kind, message, detail), once per test."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.outcomes = {}

    def note(self, test, kind, error=None, message=""):
        worse = {"passed": 0, "skipped": 1, "failure": 2, "error": 3}
        known = self.outcomes.get(test.id())
        if known and worse[known[0]] >= worse[kind]:
            return
        detail = "".join(traceback.format_exception(*error)) if error else ""
        if error:
            name = error[0].__name__
            message = str(error[1]) if name == "AssertionError" else name + ": " + str(error[1])
        self.outcomes[test.id()] = (kind, message, detail)

    def addSuccess(self, test):
        super().addSuccess(test)
        self.note(test, "passed")

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.note(test, "failure", err)

    def addError(self, test, err):
        super().addError(test, err)
        self.note(test, "error", err)

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.note(test, "skipped", message=reason)

    def addExpectedFailure(self, test, err):
        super().addExpectedFailure(test, err)
        self.note(test, "skipped", message="expected failure")

    def addUnexpectedSuccess(self, test):
        super().addUnexpectedSuccess(test)
        self.note(test, "failure", message="passed, but was expected to fail")

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self.note(test, "failure" if issubclass(err[0], test.failureException) else "error", err)


class Runner(unittest.TextTestRunner):
    resultclass = Recorder


def run_unittest(report, arguments):
    """0 or 1 as unittest says; NO_TESTS where it found none."""
    sys.argv = ["python3 -m unittest", *arguments]
    sys.path.insert(0, os.getcwd())
    program = unittest.main(module=None, argv=sys.argv, testRunner=Runner, exit=False)
    result = program.result
    write_report(report, result.outcomes)
    if not result.outcomes:
        return NO_TESTS
    return 0 if result.wasSuccessful() else 1


def write_report(report, outcomes):
    suite = ElementTree.Element("testsuite", name="unittest")
    for identity, (kind, message, detail) in outcomes.items():
        group, _, name = identity.rpartition(".")
        if "_FailedTest" in group:
            group, message = "", "collection failure"
        case = ElementTree.SubElement(suite, "testcase", classname=group, name=printable(name))
        if kind != "passed":
            ElementTree.SubElement(case, kind, message=printable(message)).text = printable(detail)
    ElementTree.ElementTree(suite).write(report, encoding="utf-8", xml_declaration=True)


def printable(text):
    return UNPRINTABLE.sub("?", text)


if __name__ == "__main__":
    main()
