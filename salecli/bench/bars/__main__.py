"""`python -m salecli.bench.bars [ROOM...]`: measure, print a table, write build/bench.json.

LONG are rooms that are measured only where they are named.
Exit code 0 where every bar is met, 1 where one is missed.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from salecli.cli.exits import Exit
from salecli.cli.output import Output

ROOMS = ("startup", "models", "sandbox", "memory", "auction", "screens")
LONG = ("jury", "batch")
_FIELDS = {"name", "value", "unit", "bar", "ok"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure the named rooms, or all of them."""
    rooms = list(sys.argv[1:] if arguments is None else arguments) or list(ROOMS)
    output = Output()
    # Before the first is measured: some take an hour.
    if unknown := [room for room in rooms if room not in ROOMS + LONG]:
        output.failure(f"there is no room {unknown[0]!r}", f"rooms are {', '.join(ROOMS + LONG)}")
        return Exit.USAGE
    rows: list[dict[str, Any]] = []
    for room in rooms:
        output.story(f"measuring {room}")
        for row in importlib.import_module(f"salecli.bench.bars.{room}").rows():
            if row.keys() != _FIELDS:
                raise ValueError(
                    f"salecli.bench.bars.{room}: a row needs exactly {sorted(_FIELDS)}, not {sorted(row)}"
                )
            rows.append(row)
    write(rows, Path("build") / "bench.json", keep=rooms != list(ROOMS))
    output.table(
        ["what", "value", "unit", "bar", "ok"],
        [
            [row["name"], figure(row["value"]), row["unit"], figure(row["bar"]), mark(row["ok"])]
            for row in rows
        ],
        right={"value", "bar"},
    )
    return 0 if all(row["ok"] is not False for row in rows) else 1


def write(rows: Sequence[dict[str, Any]], path: Path, keep: bool) -> None:
    """Write `rows` to `path`; with `keep`, beside the rows of other rooms that it already holds."""
    kept: list[dict[str, Any]] = []
    if keep and path.exists():
        measured = {row["name"] for row in rows}
        kept = [row for row in json.loads(path.read_text()) if row["name"] not in measured]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps([*kept, *rows], indent=1, ensure_ascii=False) + "\n")


def figure(value: object) -> str:
    """A number in at most four figures; "-" where a row has no bar."""
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def mark(ok: bool | None) -> str:
    """Whether a bar was met, in a word; "-" where there is none."""
    return "-" if ok is None else "yes" if ok else "NO"


if __name__ == "__main__":
    sys.exit(main())
