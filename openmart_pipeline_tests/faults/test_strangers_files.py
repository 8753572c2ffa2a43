"""F47: what somebody else put into the input folder, or handed over: links, devices, our own secrets under a new name."""

import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from openmart_pipeline.intake import regular_files
from openmart_pipeline.intake.companies import CompanyFile, ReadOptions
from openmart_pipeline.intake.input_files import DataFolder
from openmart_pipeline.intake.refusals import FileRefused
from openmart_pipeline.pipeline.inventory import look

CANARY = "sk-canary-7f3a9c"
SECRET = f"OPENMART_API_KEY={CANARY}\nPASSWORD=hunter2\n"


def a_table(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "sound.csv"
    path.write_text("Website\nacme.com\n")
    return path


def link_to_a_secret(path: Path, outside: Path) -> None:
    path.symlink_to(outside / "secret.env")


def link_to_a_link(path: Path, outside: Path) -> None:
    (outside / "hop").symlink_to(outside / "secret.env")
    path.symlink_to(outside / "hop")


def link_to_the_environment(path: Path, _outside: Path) -> None:
    path.symlink_to("/proc/self/environ")


def link_to_a_device(path: Path, _outside: Path) -> None:
    path.symlink_to("/dev/zero")


def link_to_itself(path: Path, _outside: Path) -> None:
    path.symlink_to(path)


def link_to_nothing(path: Path, outside: Path) -> None:
    path.symlink_to(outside / "gone")


def a_pipe(path: Path, _outside: Path) -> None:
    os.mkfifo(path)


def a_socket(path: Path, _outside: Path) -> None:
    here = Path.cwd()
    os.chdir(path.parent)  # an address of a socket has 107 bytes at most
    try:
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(path.name)
    finally:
        os.chdir(here)


def the_suppression_key(path: Path, outside: Path) -> None:
    os.link(outside.parent / "data" / "suppression.key", path)


def the_env_file(path: Path, outside: Path) -> None:
    os.link(outside.parent / ".env", path)


LAID: tuple[Callable[[Path, Path], None], ...] = (
    link_to_a_secret, link_to_a_link, link_to_the_environment, link_to_a_device, link_to_itself, link_to_nothing,
    a_pipe, a_socket, the_suppression_key, the_env_file,
)  # fmt: skip


@pytest.fixture
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is nobody's business, next to a data folder with our own secrets."""
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "secret.env").write_text(SECRET)
    (tmp_path / ".env").write_text(SECRET)
    (tmp_path / "data" / "input").mkdir(parents=True)
    (tmp_path / "data" / "suppression.key").write_text(CANARY)
    monkeypatch.chdir(tmp_path)
    return folder


@pytest.mark.parametrize("lay", LAID, ids=lambda lay: lay.__name__)
def test_what_is_no_table_of_its_own_is_refused_without_a_copy(
    tmp_path: Path, outside: Path, lay: Callable[[Path, Path], None]
) -> None:
    data = DataFolder(tmp_path / "data", private=(tmp_path / ".env",))
    lay(data.input / "x.csv", outside)
    (tmp_path / "handed").mkdir()
    (data.input / "x.csv").rename(tmp_path / "handed" / "y.csv")
    said = []
    with pytest.raises(FileRefused) as refused:
        data.bring_in(tmp_path / "handed" / "y.csv", "z.csv")
    said.append(str(refused.value))
    (tmp_path / "handed" / "y.csv").rename(data.input / "x.csv")
    for read in (data.version, data.current_sha256):
        with pytest.raises(FileRefused) as refused:
            read("x.csv")
        said.append(str(refused.value))
    inventory = look(data)
    assert (set(inventory.stamps), set(inventory.refused)) == (set(), {"x.csv"})
    said.append(inventory.refused["x.csv"])
    assert [one for one in said if CANARY in one or "secret.env" in one or "Nothing was read" not in one] == []
    assert list(data.files.glob("*")) == []
    assert [path.name for path in data.input.iterdir()] == ["x.csv"]


def test_a_folder_that_is_a_link_is_not_entered_and_is_named(tmp_path: Path, outside: Path) -> None:
    data = DataFolder(tmp_path / "data")
    a_table(outside)
    (data.input / "lists").symlink_to(outside)
    with pytest.raises(FileRefused, match="is a link"):
        data.version("lists/sound.csv")
    with pytest.raises(FileRefused, match="leads out of the input folder"):
        data.version("../../outside/sound.csv")
    with pytest.raises(FileRefused, match="leads out of the input folder"):
        data.version(str(outside / "sound.csv"))
    with pytest.raises(FileRefused, match="can't be"):
        data.version("a%00.csv")
    assert list(look(data).refused) == ["lists"]


def test_a_link_that_takes_a_files_place_while_it_is_read_is_not_followed(tmp_path: Path, outside: Path) -> None:
    """What is read is what was looked at: the names are swapped all the time, and no copy ever holds the secret."""
    data = DataFolder(tmp_path / "data")
    table = a_table(data.input)
    text = table.read_text()
    is_over = threading.Event()

    def swap() -> None:
        aside, link = outside / "table", outside / "link"
        while not is_over.is_set():
            aside.write_text(text)
            link.symlink_to(outside / "secret.env")
            link.replace(table)
            aside.replace(table)

    swapping = threading.Thread(target=swap)
    swapping.start()
    read: set[bytes] = set()
    try:
        for _ in range(200):
            try:
                read.add(data.version("sound.csv").path.read_bytes())
            except FileRefused:
                continue
    finally:
        is_over.set()
        swapping.join()
    assert read <= {text.encode()}
    assert not [path for path in data.files.iterdir() if CANARY.encode() in path.read_bytes()]


def test_a_file_of_the_kernel_is_no_file(tmp_path: Path) -> None:
    """By its own name, or through a folder that leads to it."""
    for path in ("/proc/self/environ", "/proc/thread-self/environ", "/dev/zero"):
        with pytest.raises(FileRefused), regular_files.opened_as_named(Path(path)):
            pass


ROWS_OF_NO_HEADER = (
    SECRET.splitlines()[0],
    f"export KEY={CANARY},b",
    f"{CANARY};hunter2",
    f"root:x:0:0:{CANARY}:/:/bin/sh",
    f"Jane Roe,Company,{CANARY}",
    f"Company,+4915112345678,{CANARY}",
    f"Company,jane@{CANARY}.com",
    f"Company,{CANARY}\u202e,{'x' * 400}",
)


@pytest.mark.parametrize("row", ROWS_OF_NO_HEADER)
@pytest.mark.parametrize("column", [None, "Homepage"])
def test_a_sentence_about_a_header_repeats_no_cell(tmp_path: Path, row: str, column: str | None) -> None:
    path = tmp_path / "x.csv"
    path.write_text(f"{row}\n{row}\n")
    options = ReadOptions(columns={} if column is None else {"domain": column})
    with pytest.raises(FileRefused) as refused:
        CompanyFile(path, "x.csv", options)
    said = str(refused.value)
    assert [word for word in (CANARY, "hunter2", "4915112345678", "jane@", "xxx", "\u202e") if word in said] == []
    assert "Jane Roe" not in said or "Company" in row


def test_usual_names_of_columns_are_shown(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("Company,Umsatz 2025,Jane@acme.com,Anzahl Mitarbeiter\nAcme,3,4,5\n")
    with pytest.raises(FileRefused, match="the file has") as refused:
        CompanyFile(path, "x.csv")
    assert "'Company', 'Umsatz 2025', 'Anzahl Mitarbeiter' and 1 more" in str(refused.value)
