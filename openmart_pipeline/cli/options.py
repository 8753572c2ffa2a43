"""The options that several commands share, and what they were given as one value.

Lives here: names and help of options. Values are checked in the domain, with its sentences.
Imports click and the question settings.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from openmart_pipeline.cli.exits import Refusal
from openmart_pipeline.enrichment.question_settings import QuestionSettings, laid_over

F = TypeVar("F", bound=Callable[..., Any])

paths_argument = click.argument(
    "paths", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE_OR_FOLDER..."
)
as_option = click.option(
    "--as", "as_name", metavar="NAME", help="Name in the input folder for a file or folder that comes from elsewhere."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What was chosen on the command line for this plan; None keeps what the file used last."""

    titles: tuple[str, ...] | None
    max_k: int | None
    info_access: str | None
    location: str | None
    version: int | None
    notify_url: str | None
    reask: str | None
    limit: int | None

    def over(self, last: QuestionSettings) -> QuestionSettings:
        """Return the file's last settings with these choices laid over them.

        Raises:
            Refusal: a choice is wrong; the sentence names it.

        """
        try:
            return laid_over(
                last,
                titles=self.titles,
                max_k=self.max_k,
                info_access=self.info_access,
                location=self.location,
                version=self.version,
                notify_url=self.notify_url,
                reask=self.reask,
                limit=self.limit,
            )
        except ValueError as error:
            raise Refusal(f"{error} Nothing was bought.") from error


_QUESTION_OPTIONS = (
    click.option("--title", "titles", multiple=True, help="Role to find, for rows that name none. Repeatable."),
    click.option("--max-k", type=int, metavar="N", help="Most contacts per company and title, 1 to 8."),
    click.option("--info-access", metavar="WHAT", help="EMAIL, PHONE or EMAIL,PHONE; phones cost more."),
    click.option("--location", metavar="WHERE", help='row, none, or "city=Austin; state=TX; country=US".'),
    click.option("--version", type=int, metavar="N", help="0: the vendor's default pipeline; 1: all-in-one."),
    click.option("--notify-url", metavar="URL", help="https address the vendor calls when done; '' for none."),
    click.option("--reask", metavar="WHICH", help="Buy anew what is stale, errored or expired."),
    click.option("--limit", type=int, metavar="N", help="Only the first N companies, this time."),
)


def question_options(command: F) -> F:
    """Add the options of a plan; the command gets them as one `choices`."""

    @functools.wraps(command)  # also what click has hung on it so far
    def with_choices(*args: Any, titles: tuple[str, ...], **options: Any) -> Any:
        chosen = {name: options.pop(name) for name in Choices.__dataclass_fields__ if name != "titles"}
        return command(*args, choices=Choices(titles=titles or None, **chosen), **options)

    decorated: Any = with_choices
    for option in reversed(_QUESTION_OPTIONS):
        decorated = option(decorated)
    return decorated  # type: ignore[no-any-return]  # click's decorators give back what they take
