"""Options that mean the same to several commands, each described once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Repository = Annotated[Path | None, typer.Option("--repo", help="The repository, or a folder inside it.")]
Pool = Annotated[str | None, typer.Option("--pool", help="A pool's name, or a pool file.")]
NoRefine = Annotated[bool, typer.Option("--no-refine", help="No refinement from memory.")]
Attempts = Annotated[
    int | None, typer.Option("--attempts", min=1, help="Bidders that may work, one after another.")
]
Seed = Annotated[int | None, typer.Option("--seed", min=0, help="The same seed gives the same run.")]
Thrift = Annotated[
    float | None, typer.Option("--thrift", min=0, help="How much cost counts: the weight w_c.")
]
Calibration = Annotated[
    bool | None,
    typer.Option(
        "--calibration/--no-calibration",
        help="Count marks as past verdicts put them right, or as given; else as `sale learn` found better.",
    ),
]
MemoryFile = Annotated[
    Path | None,
    typer.Option(
        "--memory", metavar="PATH", readable=False, help="The memory file; else the configured one."
    ),
]
Plain = Annotated[bool, typer.Option("--plain", help="Plain lines: no colour, no moving display.")]
PlainScreens = Annotated[
    bool, typer.Option("--plain", help="Plain lines and numbered choices in place of the screens.")
]
