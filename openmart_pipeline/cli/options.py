"""The options that several commands share, and what they were given as one value.

Lives here: names and help of options. Values are checked in the domain, with its sentences.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from openmart_pipeline.cli.exits import Refusal
from openmart_pipeline.intake.reading import Reading
from openmart_pipeline.planning.question_settings import QuestionSettings, merged_over

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
    columns: tuple[str, ...] | None = None
    sheet: str | None = None
    encoding: str | None = None
    delimiter: str | None = None

    def over(self, last: QuestionSettings) -> QuestionSettings:
        """Return the file's last settings with these choices laid over them.

        Raises:
            Refusal: a choice is wrong; the sentence names it.

        """
        try:
            return merged_over(
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

    def reading_over(self, last: Reading) -> Reading:
        """Return how the file was last read, with these choices laid over it.

        Raises:
            Refusal: a choice is wrong; the sentence names it.

        """
        named = [column.partition("=") for column in self.columns or ()]
        if any(not sign for _, sign, _ in named):
            raise Refusal("Write --column FIELD=NAME, such as --column domain=Homepage. Nothing was bought.")
        try:
            return last.with_choices(
                columns={field: name for field, _, name in named},
                sheet=self.sheet,
                encoding=self.encoding,
                delimiter=self.delimiter,
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
    click.option("--limit", type=int, metavar="N", help="Only the first N companies, from now on; 0: all."),
    click.option(
        "--column",
        "columns",
        multiple=True,
        metavar="FIELD=NAME",
        help="Which column is which field, where its name does not say: domain=Homepage. Nothing behind the = where "
        "none is (title=); auto finds it again. Repeatable, and kept for the file's next versions, as the next three.",
    ),
    click.option("--sheet", metavar="NAME", help="Sheet of a workbook; auto: the first that is not empty."),
    click.option("--encoding", metavar="NAME", help="Of a text file, such as cp1250; auto: found out."),
    click.option("--delimiter", metavar="SIGN", help="comma, semicolon, tab, pipe or a sign; auto: found out."),
)


def question_options(command: F) -> F:
    """Add the options of a plan; the command gets them as one `choices`."""

    @functools.wraps(command)  # also what click has hung on it so far
    def with_choices(*args: Any, **options: Any) -> Any:
        chosen = {name: options.pop(name) for name in Choices.__dataclass_fields__}
        given = {name: None if value == () else value for name, value in chosen.items()}
        return command(*args, choices=Choices(**given), **options)

    decorated: Any = with_choices
    for option in reversed(_QUESTION_OPTIONS):
        decorated = option(decorated)
    return decorated  # type: ignore[no-any-return]  # click's decorators give back what they take
