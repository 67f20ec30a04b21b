"""A copy of the memory file that nothing is added to, for runs that shall be compared with each other."""

from __future__ import annotations

import shlex
from pathlib import Path

from salecli.adapters.copies import make_private, write_into
from salecli.adapters.sqlitefile import reading
from salecli.errors import EnvironmentFault


def freeze(memory: Path, target: Path) -> None:
    """Copy the memory as it is now; where there is none, there is none in `target` either.

    Raises:
        MemoryFault: it cannot be read, or not be copied.
        EnvironmentFault: no copy can be made there.
    """
    if not memory.exists():
        return
    try:
        make_private(target)
    except OSError as error:
        raise EnvironmentFault(
            f"no copy of the memory can be made in {target.parent}: {error.strerror}",
            f"look at the disk: df -h {shlex.quote(str(target.parent))}",
        ) from error
    with reading(memory) as db:
        write_into(target, db)
