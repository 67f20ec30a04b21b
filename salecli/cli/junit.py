"""A batch's results as JUnit XML, for continuous integration."""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from pathlib import Path
from xml.etree import ElementTree

from salecli.core.batch import Result
from salecli.core.text import clean

_NO_XML = re.compile("[\ufffe\uffff]")


def write_junit(
    file: Path, suite: str, results: Collection[Result], left: Collection[str], stopped: str
) -> None:
    """Write one test suite, whole or not at all; tasks that are `left` count as skipped.

    Raises:
        OSError: it cannot be written.
    """
    count = [one.outcome for one in results].count
    top = ElementTree.Element(
        "testsuite",
        name=_said(suite),
        tests=str(len(results) + len(left)),
        failures=str(count("failed")),
        errors=str(count("error")),
        skipped=str(count("skipped") + len(left)),
        time=f"{sum(one.seconds for one in results):.3f}",
    )
    for one in results:
        case = _case(top, suite, one.task, one.seconds)
        if one.run:
            properties = ElementTree.SubElement(case, "properties")
            for name, value in (("run", one.run), ("agent", one.agent), ("usd", f"{one.usd:.8f}")):
                ElementTree.SubElement(properties, "property", name=name, value=_said(value))
        if one.outcome != "passed":
            kind = {"failed": "failure", "error": "error", "skipped": "skipped"}[one.outcome]
            said = ElementTree.SubElement(case, kind, message=_said(one.reason))
            said.text = _said("\n".join([*one.details, one.hint]).strip())
    for name in left:
        ElementTree.SubElement(_case(top, suite, name, 0.0), "skipped", message=_said(stopped or "not begun"))
    text = ElementTree.tostring(top, encoding="utf-8", xml_declaration=True)
    beside = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        beside.write_bytes(text + b"\n")
        beside.replace(file)
    finally:
        beside.unlink(missing_ok=True)


def _case(top: ElementTree.Element, suite: str, name: str, seconds: float) -> ElementTree.Element:
    return ElementTree.SubElement(
        top, "testcase", classname=_said(suite), name=_said(name), time=f"{seconds:.3f}"
    )


def _said(text: str) -> str:
    """Text that XML can hold."""
    return _NO_XML.sub("\ufffd", clean(text))
