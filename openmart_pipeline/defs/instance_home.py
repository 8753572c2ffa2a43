"""DAGSTER_HOME: a folder with our `dagster.yaml`, opened once before anybody else opens it.

No definitions live here, and Dagster itself is imported only when it is needed: the command line starts fast.
"""

import shutil
from pathlib import Path

import filelock

from openmart_pipeline.private_files import PRIVATE_FOLDER, close_to_others, make_folder

TEMPLATE = Path(__file__).resolve().parents[2] / "dagster.yaml"
PREPARE_TIMEOUT_S = 120  # making the databases takes two seconds; importing Dagster on a busy machine, ten


class HomeUnprepared(Exception):
    """The folder can't become a DAGSTER_HOME; the sentence says why."""


def prepare_home(home: Path) -> Path:
    """Make `home` a DAGSTER_HOME that any number of processes may open; return its absolute path.

    Two processes that open a fresh home at once break each other while they make its databases. So they are
    made here, by one at a time. A `dagster.yaml` that is there already is its owner's and stays as it is.

    Args:
        home: the folder, `<data dir>/dagster_home`; made when missing.

    Raises:
        HomeUnprepared: no permission, no space, or the project's `dagster.yaml` is not there to copy.

    """
    home = home.resolve()
    try:
        make_folder(home, PRIVATE_FOLDER)
        close_to_others(folders=[home], files=())  # Dagster's history names files and quotes sentences
        with filelock.FileLock(home / ".prepare.lock", timeout=PREPARE_TIMEOUT_S):
            if not (home / "dagster.yaml").exists():
                aside = home / ".dagster.yaml"
                shutil.copyfile(TEMPLATE, aside)
                aside.replace(home / "dagster.yaml")
            _open_once(home)
    except filelock.Timeout:
        raise HomeUnprepared(f"Another process has been preparing {home} for {PREPARE_TIMEOUT_S} s.") from None
    except OSError as error:
        raise HomeUnprepared(f"{home} can't be prepared for Dagster ({error}).") from error
    return home


def _open_once(home: Path) -> None:
    """Let Dagster make its databases."""
    from dagster import DagsterInstance  # noqa: PLC0415  two seconds that only this function needs

    with DagsterInstance.from_config(str(home)) as instance:
        instance.get_runs_count()
        instance.all_asset_keys()
        instance.get_dynamic_partitions("input_files")
        instance.all_instigator_state()
