"""`sale show`: a finished run again, from its journal."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

EPILOG = """\b
Examples:
  sale show 7f3a
  sale show 7f3a --plans
  sale show 7f3a --patch | git apply
"""

app = typer.Typer()


@app.command(epilog=EPILOG)
def show(
    run: Annotated[str, typer.Argument(help="The run's id, or its beginning.")],
    patch: Annotated[bool, typer.Option("--patch", help="Only the patch.")] = False,
    plans: Annotated[
        bool, typer.Option("--plans", help="Also the text of every plan, and of every reply.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="The run's events as JSON lines.")] = False,
    plain: Annotated[bool, typer.Option("--plain", help="Plain lines: no colour.")] = False,
) -> None:
    """Show a finished run: bids, marks, steps, verdict and patch."""
    import sys

    from salecli.adapters.backup import applied
    from salecli.adapters.journal import find_run
    from salecli.cli.output import Output
    from salecli.cli.story import Story
    from salecli.core import events
    from salecli.errors import UsageError

    found = find_run(run)
    output = Output(plain=plain, lines=json)
    if json:
        for event in found.read():
            output.record(events.to_dict(event))
        return
    ended = found.last(events.RunEnded)
    diff = ended.patch.diff if isinstance(ended, events.RunEnded) and ended.patch is not None else ""
    if patch:
        if not diff:
            raise UsageError(f"run {found.id} has no patch", f"sale show {found.id}")
        output.exact(diff)
        return
    # The story is the result here, so it goes to stdout.
    screen = Output(plain=True, stderr=sys.stdout) if plain else Output(stderr=sys.stdout)
    with Story(screen, moving=False) as story:
        for event in found.read():
            story.tell(event)
            if plans:
                _text(screen, event)
    if ended is None:
        screen.story("this run was cut short: it has no end")
    if diff:
        screen.story()
        output.exact(diff)
    place = found.about.get("repository")
    if place and applied(Path(place), found.id):
        screen.story(f"undo: sale apply --undo {found.id}")


def _text(screen: object, event: object) -> None:
    """The words behind an event: a plan, or a reply and what came of it."""
    from salecli.cli.output import Output
    from salecli.core import events
    from salecli.core.text import indented

    assert isinstance(screen, Output)
    match event:
        case events.BidMade(bid=bid):
            screen.story(f"plan of {bid.agent}{' (refined)' if bid.refined else ''}:")
            screen.story(indented(bid.plan))
        case events.StepTaken(step=step):
            screen.story(indented(step.reply))
            if step.observation:
                screen.story(indented(step.observation))
        case _:
            pass
