"""What can go wrong with the warehouse, said to the person who can act.

    WarehouseError
     |- WarehouseBusy        somebody else held the file for too long
     |- WarehouseOutdated    another version of this program, or another program, made the file
     |- RowsOutdated         something was erased while the rows were being read: read them again
     |- WarehouseUnwritable  full disk, missing permission, damaged file

Lives here: the tree above, and what DuckDB and the disk say put into words.
"""

import duckdb


class WarehouseError(Exception):
    """The warehouse could not be read or written. It is derived: no answer and no payment is at stake."""


class WarehouseBusy(WarehouseError):
    """Another program held the warehouse for longer than we wait; trying again is safe."""


class WarehouseOutdated(WarehouseError):
    """The tables in the file are not the ones this version writes; rebuilding it is safe and free."""


class RowsOutdated(WarehouseError):
    """Something was erased after these rows were read, and may be in them; nothing was written. Read them again."""

    def __init__(self, input_file: str) -> None:
        """Name the file."""
        super().__init__(
            f"Something was erased while {input_file!r} was being loaded. Nothing was written: load again."
        )


class WarehouseUnwritable(WarehouseError):
    """The file system or the file itself refused; what was there before is still there."""


def first_line(error: duckdb.Error) -> str:
    """Return what DuckDB says, without its pointers into the SQL and the documentation."""
    return str(error).split("\n", 1)[0]


def unwritable(error: OSError, name: str) -> WarehouseUnwritable:
    """Return what the disk said, and what it means."""
    return WarehouseUnwritable(
        f"{name} could not be written ({error.strerror or error}). What was there before is still there, and "
        "no answer is lost: they are in the ledger. Free some space or mend the permissions, and run this "
        "step again."
    )


def in_words(error: duckdb.Error, name: str) -> WarehouseError:
    """Return what DuckDB said, and what it means."""
    words = first_line(error)
    if "No space left" in words or "File too large" in words:
        return WarehouseUnwritable(
            f"The disk is full: {name} could not be written ({words}). What was there before is still there, "
            "and no answer is lost: they are in the ledger. Free some space and run this step again."
        )
    if isinstance(error, duckdb.OutOfMemoryException):
        return WarehouseUnwritable(
            f"There is too little memory for {name} ({words}). What was there before is still there, and no answer is "
            "lost: they are in the ledger. Give the process more memory, and run this step again."
        )
    if isinstance(error, (duckdb.IOException, duckdb.SerializationException, duckdb.FatalException)):
        return WarehouseUnwritable(
            f"{name} can't be used ({words}). If the disk and its permissions are in order the file is "
            "damaged; it can be made anew from the ledger at no cost: run `openmart-pipeline rebuild`."
        )
    return WarehouseError(f"{name} refused: {words}. Nothing was changed; no answer is lost.")
