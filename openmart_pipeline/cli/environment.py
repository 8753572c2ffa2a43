"""The environment of the command line: the shell's variables, over those of the project's `.env`.

The command line's only look at `os.environ`. What the values mean is the business of `settings`.
"""

import os
from collections.abc import Mapping
from pathlib import Path

import click
from dotenv import dotenv_values

from openmart_pipeline.home import HomeUnknown, home_folder

OURS = "OPENMART_"
KEY, ADDRESS = "OPENMART_API_KEY", "OPENMART_BASE_URL"


def read_environment() -> dict[str, str]:
    """Return the variables that hold for this command; nothing is written into the process's environment.

    The `.env` is that of the home folder, whatever folder a person stands in: a stranger's folder may hold one too.
    Only settings of ours count in it: `dev` hands what is returned here to its children, and a file must not choose
    their PATH or their proxy.
    """
    try:
        dotenv = home_folder(os.environ) / ".env"
        if os.path.lexists(dotenv) and (dotenv.is_dir() or not dotenv.exists()):  # else taken for one without settings
            raise click.UsageError(
                f"{dotenv} is a folder, or a link that leads nowhere: limits that stand in it would not hold. Put the "
                "file there, or remove it."
            )
        # Without ${NAME}: a file must not copy a key of the shell into another setting.
        written = dotenv_values(dotenv, interpolate=False)
    except HomeUnknown as error:
        raise click.UsageError(str(error)) from error
    except (OSError, UnicodeDecodeError) as error:
        raise click.UsageError(f"The file .env can't be read ({error}): save it as UTF-8 text.") from error
    from_file = {name: value for name, value in written.items() if value is not None and name.startswith(OURS)}
    if "OPENMART_HOME" in from_file:
        raise click.UsageError(f"OPENMART_HOME stands in {dotenv}, which is found by it: set it in the shell instead.")
    _refuse_redirected_key(dotenv, from_file, os.environ)
    return {**from_file, **os.environ}


def _refuse_redirected_key(dotenv: Path, from_file: Mapping[str, str], shell: Mapping[str, str]) -> None:
    """Refuse an address from the file for a key that only the shell holds: it would send the key to a stranger.

    Raises:
        click.UsageError: says how to choose.

    """
    address, key = from_file.get(ADDRESS, "").strip(), shell.get(KEY, "").strip()
    if address and ADDRESS not in shell and key and from_file.get(KEY, "").strip() != key:
        raise click.UsageError(
            f"{ADDRESS} stands in {dotenv}, and {KEY} in the shell: the file would choose where your key "
            f"goes. Nothing was sent. Set both in the shell or both in the file, or unset {KEY} in the shell."
        )
