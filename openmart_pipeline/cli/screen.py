"""What the terminal shows: consoles, tables of numbers, and text of others made harmless.

Lives here: how things look. What is shown is decided by the commands.
"""

import datetime as dt
from collections.abc import Iterable

from rich.box import SIMPLE_HEAD
from rich.console import Console, JustifyMethod
from rich.table import Table
from rich.text import Text

NOTHING = "-"
NARROW = 100  # columns where no terminal says how many there are: a log file, a pipe


def results() -> Console:
    """Return the console for what was asked for: stdout."""
    return _console(stderr=False)


def remarks() -> Console:
    """Return the console for progress, warnings and advice: stderr."""
    return _console(stderr=True)


def _console(*, stderr: bool) -> Console:
    console = Console(stderr=stderr, highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console.width = NARROW
        console.soft_wrap = True  # a sentence is one line, for whoever searches a log
    return console


def harmless(text: object) -> Text:
    """Return text that came from a file, a server or a person, without anything a terminal would obey."""
    return Text(
        "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in str(text))
    )


def table(title: str, columns: Iterable[str], *, numbers_from: int = 1, has_labels: bool = False) -> Table:
    """Return an empty table; columns from `numbers_from` on are aligned right, labels in the first are not folded."""
    made = Table(
        title=Text(title, no_wrap=True, overflow="ignore"),
        title_justify="left",
        box=SIMPLE_HEAD,
        pad_edge=False,
        title_style="bold",
    )
    for number, column in enumerate(columns):
        justify: JustifyMethod = "right" if number >= numbers_from else "left"
        made.add_column(harmless(column), justify=justify, overflow="fold", no_wrap=has_labels and number == 0)
    return made


def count(number: float | None) -> str:
    """Write a count, or a dash for none."""
    return NOTHING if not number else f"{number:,.0f}"


def credits_text(number: float | None) -> str:
    """Write estimated credits."""
    return "an unknown number of" if number is None else f"{number:,.0f}"


def duration(seconds: float | None) -> str:
    """Write a length of time as a person would say it."""
    if seconds is None:
        return "unknown"
    if seconds < 90:  # noqa: PLR2004  from here on seconds say nothing
        return f"{max(seconds, 1):.0f} s"
    if seconds < 5400:  # noqa: PLR2004  an hour and a half
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def ago(moment: dt.datetime | None, now: dt.datetime) -> str:
    """Write how long ago something was."""
    return NOTHING if moment is None else f"{duration((now - moment).total_seconds())} ago"
