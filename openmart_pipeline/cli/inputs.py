"""From the paths a person names to the files of the input folder: used in place, or brought in.

Lives here: which file of which name, and the refusal of a name that is taken. Reading is the business of `steps`.
"""

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from openmart_pipeline.cli.exits import Refusal
from openmart_pipeline.cli.options import Choices
from openmart_pipeline.cli.progress_display import intake_shown
from openmart_pipeline.cli.screen import remarks
from openmart_pipeline.intake.companies import SUFFIXES, CompanyFile, FileRefused
from openmart_pipeline.intake.input_files import partition_key_of, path_of
from openmart_pipeline.ledger import plans
from openmart_pipeline.pipeline import steps
from openmart_pipeline.pipeline.steps import CompaniesIngested
from openmart_pipeline.services import Services


@dataclass(slots=True)
class Taken:
    """The files whose companies are loaded, by partition key, and what was said of those left out."""

    files: dict[str, CompaniesIngested] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Source:
    """A file as named; `name` is its place in the input folder when it comes from elsewhere."""

    path: Path
    name: str
    is_named: bool  # by the person; otherwise found below a folder
    is_renamed: bool  # by --as


@dataclass(frozen=True, slots=True)
class _Origins:
    """Where every known file came from, both ways; looked up once for thousands of files."""

    of_key: dict[str, str | None]  # None: it was put into the input folder by a person
    keys: dict[str, str]

    def note(self, key: str, path: str) -> None:
        self.of_key[key] = path
        self.keys[path] = key


def take_files(work: Services, paths: Sequence[Path], as_name: str | None, choices: Choices) -> Taken:
    """Load the companies of every file named, and of every table below a folder named, read as chosen.

    A file that was named must be readable, or nothing at all is done; one that was only found below a folder is
    left out, and said.

    Raises:
        FileRefused: a named file is no table of companies, has no row, or its name is taken; one sentence.

    """
    if as_name is not None and len(paths) != 1:
        raise Refusal("--as names one file or folder: give one at a time.")
    sources = [source for path in paths for source in _sources(path, as_name)]
    taken = Taken()
    of_key = {row.partition_key: row.source_path for row in plans.all_partitions(work.ledger)}
    origins = _Origins(of_key, {path: key for key, path in of_key.items() if path is not None})
    for source in sources:
        try:
            key = _key(work, source, choices, origins)
            companies = _companies(work, key, choices)
        except FileRefused as error:
            said = str(error) if source.path.name in str(error) else f"{source.path}: {error}"
            if source.is_named:
                raise FileRefused(f"{said} Nothing was bought.") from error
            taken.left_out.append(said)
        else:
            taken.files[key] = companies
    if not taken.files:
        raise FileRefused(" ".join(taken.left_out) or f"No table is below {paths[0]}: {', '.join(SUFFIXES)} are read.")
    return taken


def _companies(work: Services, key: str, choices: Choices) -> CompaniesIngested:
    """Load the file's companies; one without any row is more likely a mistake of saving than a wish."""
    reading = choices.reading_over(steps.last_reading(work, key))
    with intake_shown(remarks(), key) as on_event:
        taken = steps.ingest_companies(work, key, reading, on_event)
    if not taken.counts.rows:
        raise FileRefused("It has a header and no row: there is nobody to ask about. Was it saved whole?")
    return taken


def _sources(path: Path, as_name: str | None) -> Iterator[_Source]:
    name, is_renamed = as_name or path.absolute().name, as_name is not None
    if not path.is_dir():
        yield _Source(path, name, is_named=True, is_renamed=is_renamed)
        return
    for folder, folders, names in os.walk(path):
        folders[:] = sorted(folder for folder in folders if not folder.startswith("."))
        for file in sorted(names):
            if file.lower().endswith(SUFFIXES) and not file.startswith((".", "~$")):
                found = Path(folder, file)
                below = (Path(name) / found.relative_to(path)).as_posix()
                yield _Source(found, below, is_named=False, is_renamed=is_renamed)


def _key(work: Services, source: _Source, choices: Choices, origins: _Origins) -> str:
    """Return the file's partition key, after bringing it into the input folder if it lies elsewhere."""
    for path, folder in (
        (source.path.absolute(), work.data.input.absolute()),
        (_real(source.path), _real(work.data.input)),
    ):
        with contextlib.suppress(ValueError):
            return partition_key_of(path.relative_to(folder))
    origin = str(_real(source.path))
    name = _free_name(work, source, origin, origins)
    reading = choices.reading_over(steps.last_reading(work, partition_key_of(Path(name))))
    options = reading.options(work.shared_platforms)
    key = work.data.bring_in(source.path, name, lambda copy: CompanyFile(copy, source.path.name, options))
    plans.register(work.ledger, key, source_path=origin)
    origins.note(key, origin)
    return key


def _free_name(work: Services, source: _Source, origin: str, origins: _Origins) -> str:
    """Return where in the input folder the file goes: its own place again, or one that is nobody else's.

    Raises:
        FileRefused: the name is another file's.

    """
    if not source.is_renamed and origin in origins.keys:
        return path_of(origins.keys[origin]).as_posix()
    name = Path(source.name)
    if name.is_absolute() or ".." in name.parts:
        raise FileRefused(f"{source.name!r} leads out of the input folder: --as takes a name below it.")
    key = partition_key_of(name)
    if not (work.data.input / name).exists() and key not in origins.of_key:
        return source.name
    theirs = origins.of_key.get(key)
    if theirs == origin or (source.is_renamed and theirs is not None):
        return source.name  # a person says that this is the new version of a file that once came from elsewhere
    whose = f"a file that came from {theirs}" if theirs else "another file of the input folder"
    raise FileRefused(
        f"{str(source.path)!r} can't be brought in as {source.name!r}: that is {whose}. Give it a name of its own "
        "with --as NAME" + (f", or say --as {source.name} if it is the new version of that one." if theirs else ".")
    )


def _real(path: Path) -> Path:
    """Return where the path leads; one that leads to itself stays as it is, and is refused when it is opened."""
    return Path(os.path.realpath(path))
