"""Recorded runs, line by line."""

from __future__ import annotations

import json
import os
from pathlib import Path

from salecli.adapters.journal import JOURNAL, Run, new_run


def past(repository: Path, title: str, *lines: dict[str, object], at: float = 1_000_000) -> Run:
    """A recorded run of `repository`."""
    run = new_run()
    run.note(repository=str(repository), issue="issue.md", title=title, pool="practice")
    journal = run.folder / JOURNAL
    journal.write_text("".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines))
    os.utime(journal, (at, at))
    return run
