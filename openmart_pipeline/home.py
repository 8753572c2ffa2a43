"""Where the project keeps its data and its `.env`: one folder, whatever folder a person stands in.

Lives here: the rule, and no other. It must load at once: `--help` needs it.
"""

from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]  # of the checkout; of an installed package, the folder of all packages
NAME = "openmart_pipeline"


class HomeUnknown(Exception):
    """No folder can be named; the sentence says what to set."""


def home_folder(environment: Mapping[str, str]) -> Path:
    """Return the folder that holds `.env` and `data`, absolute.

    The checkout that this program runs from; for an installed package the user's own data folder. Never the current
    folder: the same command from another folder would use another ledger, and buy everything again. `OPENMART_HOME`
    names another one.

    Raises:
        HomeUnknown: `OPENMART_HOME` is relative, or the user has no home.

    """
    if chosen := environment.get("OPENMART_HOME", "").strip():
        home = _expanded(chosen, "OPENMART_HOME")
        if not home.is_absolute():
            raise HomeUnknown(
                f"OPENMART_HOME is {chosen!r}, which is another folder wherever you stand: write an absolute path."
            )
        return home
    if (ROOT / "pyproject.toml").is_file():
        return ROOT
    data_home = environment.get("XDG_DATA_HOME", "").strip()
    if data_home and Path(data_home).is_absolute():
        return Path(data_home) / NAME
    home = _expanded("~/.local/share", "OPENMART_HOME") / NAME
    if not home.is_absolute():
        raise HomeUnknown(
            f"HOME is relative, so {home} is another folder wherever you stand: write an absolute path into "
            "OPENMART_HOME."
        )
    return home


def data_folder(environment: Mapping[str, str]) -> Path:
    """Return the folder that `OPENMART_DATA_DIR` names, `data` unless set; a relative one lies in the home folder.

    Raises:
        HomeUnknown: as `home_folder` does.

    """
    chosen = environment.get("OPENMART_DATA_DIR", "").strip() or "data"
    return home_folder(environment) / _expanded(chosen, "OPENMART_DATA_DIR")


def registry_path(environment: Mapping[str, str]) -> Path | None:
    """Return the file that says which ledger buys with which key, one for all data folders of this user.

    None for a user without a home: then nothing is known of other ledgers.
    """
    state_home = environment.get("XDG_STATE_HOME", "").strip()
    if state_home and Path(state_home).is_absolute():
        return Path(state_home) / NAME / "ledgers.json"
    try:
        folder = Path("~/.local/state").expanduser()
    except RuntimeError:
        return None
    return folder / NAME / "ledgers.json" if folder.is_absolute() else None


def _expanded(text: str, name: str) -> Path:
    try:
        return Path(text).expanduser()
    except RuntimeError as error:  # no such user, or a user without a home
        raise HomeUnknown(f"{text!r} can't be found ({error}): write an absolute path into {name}.") from error
