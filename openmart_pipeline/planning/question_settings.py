"""What a file asks for where its rows don't say: titles, how many, what to look up, where.

Lives here: one value, its checks, and how a new choice is laid over the file's last one. No input or output.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace

from openmart_pipeline.api.addresses import checked_notify_url
from openmart_pipeline.intake.readable import MAX_HINT_CHARS, MAX_TITLES, one_line, read_title
from openmart_pipeline.intake.refusals import Rejected
from openmart_pipeline.ledger.ledger_errors import built
from openmart_pipeline.ledger.plans import Reask
from openmart_pipeline.model.questions import MAX_K_LIMIT, Access

PLACE_PARTS = ("city", "state", "country")
PLACE_OF_ROW = "row"
NO_PLACE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionSettings:
    """The defaults are those of the vendor's own client (API section 7)."""

    titles: tuple[str, ...] = ("Owner",)
    max_k: int = 3
    info_access: str = "EMAIL_AND_PHONE"
    location: str = PLACE_OF_ROW  # `row`, `none`, or `city=...; state=...; country=...` for rows without one
    version: int | None = None
    notify_url: str | None = None
    reask: str = Reask.NOTHING.value
    limit: int | None = None  # only the first so many companies of the file

    @property
    def access(self) -> Access:
        """What to look up, as bits."""
        return Access.named(self.info_access)

    @property
    def place(self) -> dict[str, str]:
        """City, state and country for rows that name none; empty when rows speak for themselves."""
        return _place(self.location)

    def to_json(self) -> str:
        """Return the settings as the ledger stores them with a plan."""
        return json.dumps(asdict(self), ensure_ascii=False, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> "QuestionSettings":
        """Read what `to_json` wrote."""
        kept = built(cls, text)
        return replace(kept, titles=tuple(kept.titles))


def merged_over(
    last: QuestionSettings,
    *,
    titles: Sequence[str] | None = None,
    max_k: int | None = None,
    info_access: str | None = None,
    location: str | None = None,
    version: int | None = None,
    notify_url: str | None = None,
    reask: str | None = None,
    limit: int | None = None,
) -> QuestionSettings:
    """Return `last` with every choice that is not None in its place, checked; 0 takes `limit` away.

    `reask` is a choice of one plan: left out, it is off again. A `limit` stays, since a file is planned again by
    sensors and schedules too, and nobody said yes to the companies behind it.

    Raises:
        ValueError: one sentence that names the setting, what is wrong with it and what to write.

    """
    new = replace(
        last,
        titles=_titles(titles) if titles is not None else last.titles,
        max_k=max_k if max_k is not None else last.max_k,
        info_access=Access.named(info_access).label if info_access is not None else last.info_access,
        location=location.strip() if location is not None else last.location,
        version=version if version is not None else last.version,
        notify_url=(checked_notify_url(notify_url) if notify_url else None)
        if notify_url is not None
        else last.notify_url,
        reask=_reask(reask) if reask is not None else Reask.NOTHING.value,
        limit=last.limit if limit is None else limit or None,
    )
    if not 1 <= new.max_k <= MAX_K_LIMIT:
        raise ValueError(f"max_k is {new.max_k}: the API finds 1 to {MAX_K_LIMIT} contacts per company and title.")
    if new.version not in (None, 0, 1):
        raise ValueError(f"version is {new.version}: write 0 (the default pipeline) or 1 (all-in-one).")
    if new.limit is not None and new.limit < 0:
        raise ValueError(f"limit is {new.limit}: write how many companies to try first, or 0 for all.")
    _place(new.location)
    return new


def location_of(place: Mapping[str, str | None]) -> str | None:
    """Return the `location` that asks with this place where rows have none; None where it can't be written so."""
    parts = {name: value for name, value in place.items() if value}
    location = "; ".join(f"{name}={value}" for name, value in parts.items()) or NO_PLACE
    try:
        return location if _place(location) == parts else None
    except ValueError:
        return None


def _titles(titles: Sequence[str]) -> tuple[str, ...]:
    kept: dict[str, None] = {}
    for written in titles:
        title = read_title(written)
        if isinstance(title, Rejected):
            raise ValueError(f"titles: {title.detail}.")  # noqa: TRY004  it is the text that is wrong, not its type
        if title is not None:
            kept[title] = None
    if not kept:
        raise ValueError('No title is left to ask for: write at least one, such as "Head of Marketing".')
    if len(kept) > MAX_TITLES:
        raise ValueError(f"titles: there are {len(kept):,}, more than {MAX_TITLES}. Each is a question that costs.")
    return tuple(kept)


def _reask(word: str) -> str:
    try:
        return Reask(word.lower()).value
    except ValueError:
        words = ", ".join(choice.value for choice in Reask)
        raise ValueError(f"reask is {word!r}: write one of {words}.") from None


def _place(location: str) -> dict[str, str]:
    if location in (PLACE_OF_ROW, NO_PLACE):
        return {}
    parts: dict[str, str] = {}
    for piece in location.split(";"):
        name, _, value = piece.partition("=")
        if name.strip().lower() not in PLACE_PARTS or not value.strip():
            raise ValueError(
                f"location is {location!r}: write row (what each row says), none, or for example "
                "city=Austin; state=TX; country=US."
            )
        place = one_line(value)  # NO is a country here, and no word for nothing
        if not place or len(place) > MAX_HINT_CHARS:
            raise ValueError(f"location: {name.strip()} must be a name of at most {MAX_HINT_CHARS} characters.")
        parts[name.strip().lower()] = place
    return parts
