"""The environment of the command line: the shell's variables, over those of the project's `.env`.

Lives here: the command line's only look at `os.environ`. What the values mean is the business of `settings`.
Imports nothing of the project but where that file lies.
"""

import os

import click
from dotenv import dotenv_values

from openmart_pipeline.home import HomeUnknown, home_folder


def read_environment() -> dict[str, str]:
    """Return the variables that hold for this command; nothing is written into the process's environment.

    The `.env` is that of the home folder, whatever folder a person stands in: a stranger's folder may hold one too.
    """
    try:
        dotenv = home_folder(os.environ) / ".env"
        from_file = {name: value for name, value in dotenv_values(dotenv).items() if value is not None}
    except HomeUnknown as error:
        raise click.UsageError(str(error)) from error
    except (OSError, UnicodeDecodeError) as error:
        raise click.UsageError(f"The file .env can't be read ({error}): save it as UTF-8 text.") from error
    if "OPENMART_HOME" in from_file:
        raise click.UsageError(f"OPENMART_HOME stands in {dotenv}, which is found by it: set it in the shell instead.")
    return {**from_file, **os.environ}
