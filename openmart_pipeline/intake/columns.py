"""Which column of a file is which field: by name in any case and spelling, with a rule where several fit.

Knows names only, no values and no formats.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from openmart_pipeline.intake.refusals import FileRefused

DOMAIN = "domain"

# Best name first: where two columns fit, the one named earlier here is taken, then the one further left.
ALIASES: Mapping[str, tuple[str, ...]] = {
    DOMAIN: (
        "domain", "domain name", "company domain", "company domain name", "account domain", "e-mail domain",
        "root domain", "primary domain", "website domain", "website", "web site", "company website",
        "company web site", "account website", "organization website", "business website", "website url",
        "web site url", "company website url", "company url", "account url", "url", "website address",
        "web address", "homepage", "home page", "homepage url", "company homepage", "site", "site url", "web",
        "www", "link", "webseite", "website adresse", "internetseite", "internetadresse", "homepage adresse",
        "site web", "site internet", "sitio web", "pagina web", "sito web",
        # People's addresses come last: a website column says more about the company than a mailbox does.
        "company e-mail", "business e-mail", "work e-mail", "e-mail", "e-mail address", "contact e-mail", "mail",
    ),
    "company_name": (
        "company name", "company", "account name", "account", "organization name", "organisation name",
        "organization", "organisation", "business name", "business", "legal name", "employer", "client name",
        "client", "customer name", "customer", "firma", "firmenname", "unternehmen", "entreprise", "societe",
        "empresa", "azienda", "name",
    ),
    "title": (
        "titles", "job titles", "roles", "requested title", "target title", "title to find", "job title", "title",
        "contact title", "job role", "role", "position", "persona",
    ),
    "max_k": ("max_k", "max contacts", "maximum contacts", "contacts wanted", "max people", "contacts per company"),
    "info_access": ("info_access", "info wanted", "contact info wanted", "e-mail or phone"),
    "city": (
        "city", "company city", "hq city", "headquarters city", "billing city", "mailing city", "town", "city/town",
        "locality", "ort", "stadt", "ville", "ciudad",
    ),
    "state": (
        "state", "state/province", "state/region", "state/region/province", "province", "region", "state code",
        "company state", "company state/region", "hq state", "headquarters state", "billing state",
        "billing state/province", "mailing state", "mailing state/province", "bundesland", "provincia",
    ),
    "country": (
        "country", "country/region", "country code", "country name", "company country", "company country/region",
        "hq country", "headquarters country", "billing country", "mailing country", "nation", "land", "pays", "pais",
    ),
    "version": ("version", "pipeline version", "openmart version"),
    "tracking_id": (
        "tracking_id", "external id", "record id", "account id", "company id", "crm id", "customer id", "client id",
        "reference", "uuid", "id",
    ),
}  # fmt: skip
SPELLINGS_OF_FIELDS = {"website": DOMAIN, "url": DOMAIN, "titles": "title", "company": "company_name"}
ROWS_WITH_HEADER = 20  # among so many first rows the header is looked for
SHOWN_COLUMNS = 12  # in a sentence; a table can have thousands
_NAME = re.compile(r"[^\W\d_][\w /().&#%?'-]{0,59}")  # nothing with = : @ \ or quotes, and nothing long
_CODE = re.compile(r"\d{5}|[^\W_]{30}|(?i:\w*\d\w*[a-z]\w*\d)")  # numbers to call, and what looks like a key


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnChoice:
    """Where each field is read from, by position, and what was decided on the way."""

    positions: Mapping[str, int]
    names: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def columns(self) -> dict[str, str]:
        """Our field name -> the file's column."""
        return {field: self.names[position] for field, position in self.positions.items()}

    @property
    def unknown(self) -> tuple[str, ...]:
        """Columns that are no field of ours; they stay with the row in `other`."""
        used = set(self.positions.values())
        return tuple(name for position, name in enumerate(self.names) if position not in used)

    def without(self, field: str, why: str) -> "ColumnChoice":
        """Return the same choice with one field's column left to `other`, and the reason noted."""
        positions = {other: position for other, position in self.positions.items() if other != field}
        return ColumnChoice(positions=positions, names=self.names, notes=(*self.notes, why))


def choose_columns(header: Sequence[str], explicit: Mapping[str, str]) -> ColumnChoice:
    """Return which column is which field; a column serves one field only.

    Raises:
        FileRefused: no column holds the company's website, or an explicit choice names no field or column.

    """
    names, notes = unique_names(header)
    positions: dict[str, int] = {}
    for written, column in explicit.items():
        if column:
            field = field_named(written)
            positions[field] = _position(field, column, names)
    switched_off = {field_named(written) for written, column in explicit.items() if not column}
    for field in ALIASES:
        if field in positions or field in switched_off:
            continue
        candidates = find_candidates(field, names, taken=frozenset(positions.values()))
        if not candidates:
            continue
        positions[field] = candidates[0]
        if len(candidates) > 1:
            others = ", ".join(repr(names[position]) for position in candidates[1:SHOWN_COLUMNS])
            notes.append(
                f"{field} is read from {names[candidates[0]]!r}, the most telling name; {others} stays in `other`."
            )
    if DOMAIN not in positions:
        raise FileRefused(_no_domain_column(names))
    ordered = {field: positions[field] for field in ALIASES if field in positions}
    return ColumnChoice(positions=ordered, names=names, notes=tuple(notes))


def field_named(written: str) -> str:
    """Return the field that a person means: `domain` for `Website`, `max_k` for `max-k`.

    Raises:
        FileRefused: no field of ours.

    """
    plain = "_".join(written.lower().replace("-", " ").replace("_", " ").split())
    field = SPELLINGS_OF_FIELDS.get(plain, plain)
    if field not in ALIASES:
        raise FileRefused(f"{written[:60]!r} is no field that a column can fill: choose among {', '.join(ALIASES)}.")
    return field


def find_candidates(field: str, names: Sequence[str], taken: frozenset[int] = frozenset()) -> list[int]:
    """Return the positions of the columns that may be the field, the best one first."""
    folded = [fold_name(name) for name in names]
    ranks = _ranks(field)
    found = [position for position, name in enumerate(folded) if name in ranks and position not in taken]
    return sorted(found, key=lambda position: (ranks[folded[position]], position))


@cache
def _ranks(field: str) -> dict[str, int]:
    return {fold_name(alias): rank for rank, alias in reversed(list(enumerate(ALIASES[field])))}


def header_among(rows: Sequence[Sequence[str]], explicit: Mapping[str, str]) -> int:
    """Return which of a table's first rows is its header.

    The first, unless only a later one names a website's column, and has more cells filled than each above it: a title,
    a date or "exported by" stand above many tables.
    """
    most = -1
    for place, row in enumerate(rows):
        filled = sum(1 for cell in row if cell.strip())
        if filled > most and names_a_website(row, explicit):
            return place
        most = max(most, filled)
    return 0


def names_a_website(row: Sequence[str], explicit: Mapping[str, str]) -> bool:
    """Whether a column of this header holds websites, by its name or by a person's word."""
    told = {fold_name(column) for field, column in explicit.items() if field_named(field) == DOMAIN} - {""}
    return bool(find_candidates(DOMAIN, row) or told & set(map(fold_name, row)))


def fold_name(name: str) -> str:
    """Return letters and digits only, in one case and without accents: `Société`, `SOCIETE` and `societe` agree."""
    decomposed = unicodedata.normalize("NFKD", name)
    return "".join(sign for sign in decomposed.casefold() if sign.isalnum())


def unique_names(header: Sequence[str]) -> tuple[tuple[str, ...], list[str]]:
    """Return one name per column, none blank and no two alike, and a note for every name that had to change."""
    names: list[str] = []
    notes: list[str] = []
    seen: set[str] = set()
    taken = {" ".join(written.split()) for written in header}
    shown, _ = shown_names(header)
    for position, written in enumerate(header, start=1):
        plain = " ".join(written.split())
        name = plain or f"column {position}"
        count = 2
        while name in seen or (name in taken and name != plain):
            name = f"{plain or f'column {position}'} ({count})"
            count += 1
        if plain and name != plain:
            notes.append(
                f"Column {position} is a second {plain!r}; it is called {name!r} here."
                if plain in shown
                else f"Column {position} has the same name as an earlier one."
            )
        seen.add(name)
        names.append(name)
    return tuple(names), notes


def _position(field: str, column: str, names: Sequence[str]) -> int:
    """Return the position of a column that a person named: exactly, or else in another spelling."""
    if column in names:
        return names.index(column)
    alike = [position for position, name in enumerate(names) if fold_name(name) == fold_name(column) != ""]
    if len(alike) == 1:
        return alike[0]
    raise FileRefused(
        f"The file has no column {column[:60]!r}, which was named as its {field}: it has {_listed(names)}. Name "
        f"another one, or auto to find it by its usual names: {_how_to_say(field)}."
    )


def _no_domain_column(names: Sequence[str]) -> str:
    return (
        f"No column holds the companies' websites, so nothing can be looked up: the file has {_listed(names)}. "
        f"Call one of them Website or Domain, or say which it is: {_how_to_say(DOMAIN)}."
    )


def _how_to_say(field: str) -> str:
    return f"--column {field}=NAME (in Dagster: columns, in the configuration of companies)"


def shown_names(names: Sequence[str], most: int = SHOWN_COLUMNS) -> tuple[list[str], int]:
    """Return the names that can only be names of columns, cut and cleaned, and how many others there are.

    A file that is no table has a first row too: its cells may be people, or secrets. So none is repeated unless one
    of them is a usual name, and then only those that have the form of a name.
    """
    known = _usual_names()
    if not any(fold_name(name) in known for name in names):
        return [], len(names)
    shown = [name for name in names if _NAME.fullmatch(name) and not _CODE.search(name)]
    return shown[:most], len(names) - min(len(shown), most)


@cache
def _usual_names() -> frozenset[str]:
    return frozenset(fold_name(alias) for aliases in ALIASES.values() for alias in aliases)


def _listed(names: Sequence[str]) -> str:
    shown, others = shown_names(names)
    if not shown:
        return f"{len(names):,} columns, none with a usual name (is there a header at all?)"
    return ", ".join(map(repr, shown)) + (f" and {others:,} more" if others else "")
