"""The environment of the command line: the shell's variables, over those of `.env` in the current folder.

Lives here: the command line's only look at `os.environ`. What the values mean is the business of `settings`.
Imports nothing of the project.
"""

import os
from pathlib import Path

import click
from dotenv import dotenv_values

DOTENV = Path(".env")


def read_environment() -> dict[str, str]:
    """Return the variables that hold for this command; nothing is written into the process's environment."""
    try:
        from_file = {name: value for name, value in dotenv_values(DOTENV).items() if value is not None}
    except (OSError, UnicodeDecodeError) as error:
        raise click.UsageError(f"The file .env can't be read ({error}): save it as UTF-8 text.") from error
    return {**from_file, **os.environ}
