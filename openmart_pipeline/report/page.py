"""The report as one HTML page: no script, no address of anything outside, everything from the data escaped.

Lives here: words and their order. Numbers come from `numbers`, drawings from `charts`.
"""

from importlib import resources

from openmart_pipeline.report.charts import HALF, WIDE, Bar, Column, bars, columns, safe
from openmart_pipeline.report.numbers import STATUSES, FileLine, Headline, ReportNumbers

_WORDS = {
    "found": "found",
    "nothing_found": "nothing found",
    "purged": "purged",
    "waiting": "waiting",
    "unknown": "unknown",
    "errored": "errored",
    "not_planned": "not planned",
    "set_aside": "set aside",
}
_MEANINGS = {
    "found": "At least one contact was found for the company.",
    "nothing_found": "Openmart answered, and knows nobody of that role there.",
    "purged": "Answered, and the answer was removed for good; nothing buys it again by itself.",
    "waiting": "Still to be bought or answered.",
    "unknown": "May have been paid for without an answer; a person decides, nothing sends it again.",
    "errored": "Ended without an answer; a plan may ask once more.",
    "not_planned": "Read, and not planned yet.",
    "set_aside": "Not asked about: no usable website, a page on a shared platform, a limit. See rejected_rows.",
}
_REACH = {  # how people can be reached -> class of the style sheet
    "e-mail and phone": "found",
    "e-mail": "found",
    "phone": "found",
    "e-mail, unverified": "found_soft",
    "LinkedIn only": "nothing_found",
    "name only": "nothing_found",
}
LOOPBACK = ("127.", "localhost", "[::1]")
NOTHING = "\N{EN DASH}"
COSTS_SHOWN = 12  # the largest files; all are in the table below
_NOTHING = '<p class="nothing">Nothing to show yet.</p>'


def report_page(numbers: ReportNumbers) -> str:
    """Return the whole page; it names files and job titles, and no person."""
    style = resources.files("openmart_pipeline.report").joinpath("style.css").read_text("utf-8")
    head = numbers.headline
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>Contacts, {head.published_at:%Y-%m-%d}</title><style>{style}</style></head><body><main>"
        f"<header><h1>Contacts</h1><p>as of {head.published_at:%Y-%m-%d %H:%M} UTC, {_files_text(head)}</p></header>"
        f"{_simulated(head)}{_tiles(head)}"
        f'<div class="cards">{"".join(section(numbers) for section in _SECTIONS)}{_words()}</div>'
        "<footer>Made from the published database, from nothing else. Credits are estimates at the price table of the "
        "settings; the bill is Openmart's. A contact is usable with a verified e-mail or a number to call.</footer>"
        "</main></body></html>\n"
    )


def _files_text(head: Headline) -> str:
    total = head.files_complete + head.files_waiting
    return f"{total:,} {'file' if total == 1 else 'files'}" + (
        f", {head.files_waiting:,} still waiting" if head.files_waiting else ""
    )


def _simulated(head: Headline) -> str:
    if not any(host.startswith(LOOPBACK) for host in head.api_hosts):
        return ""
    return '<p class="notice">Simulated data: the people here are made up, and nothing was paid.</p>'


def _tiles(head: Headline) -> str:
    cost = "no usable contact yet"
    if head.estimated_credits is not None and head.usable_bought:
        cost = f"{head.estimated_credits / head.usable_bought:,.1f} per usable contact"
    tiles = [
        (f"{head.people:,}", f"people at {head.companies:,} companies"),
        (
            _percent(head.found, head.answered),
            f"hit rate: {head.found:,} of {head.answered:,} questions found somebody",
        ),
        (
            _percent(head.with_verified_email, head.people),
            f"{head.with_verified_email:,} with a verified e\N{NON-BREAKING HYPHEN}mail",
        ),
        (_percent(head.with_phone, head.people), f"{head.with_phone:,} with a number to call"),
        ("unknown" if head.estimated_credits is None else f"{head.estimated_credits:,.0f}", f"credits, {cost}"),
    ]
    return (
        '<div class="tiles">'
        + "".join(f'<div class="tile"><b>{a}</b><span>{b}</span></div>' for a, b in tiles)
        + "</div>"
    )


def _section(title: str, lead: str, content: str, *, is_wide: bool = False) -> str:
    return f'<section{" class=wide" if is_wide else ""}><h2>{title}</h2><p class="lead">{lead}</p>{content}</section>'


def _coverage(numbers: ReportNumbers) -> str:
    lines = [
        Bar(
            _name(line),
            f"{_percent(line.by_status.get('found', 0), line.rows)} of {line.rows:,}",
            {status: line.by_status.get(status, 0) / line.rows for status in STATUSES},
            f"{_name(line)}: "
            + ", ".join(f"{line.by_status[s]:,} {_WORDS[s]}" for s in STATUSES if line.by_status.get(s)),
        )
        for line in numbers.files
        if line.rows
    ]
    seen = [status for status in STATUSES if any(line.by_status.get(status) for line in numbers.files)]
    legend = "".join(f'<li><i class="{status}"></i>{_WORDS[status]}</li>' for status in seen)
    drawings = "".join(bars(lines, describes="Coverage by file", width=width) for width in (WIDE, HALF))
    drawn = f'<div class="either">{drawings}</div><ul class="legend">{legend}</ul>' if lines else _NOTHING
    return _section(
        "Coverage by file", "What became of each row; at the right, rows with a contact.", drawn, is_wide=True
    )


def _titles(numbers: ReportNumbers) -> str:
    lines = [
        Bar(
            line.title,
            f"{_percent(line.found, line.answered)} of {line.answered:,}",
            {"found": line.found / line.answered},
            f"{line.title}: {line.found:,} of {line.answered:,} questions found somebody",
        )
        for line in numbers.titles
        if line.answered
    ]
    drawn = bars(lines, describes="Hit rate by job title") if lines else _NOTHING
    return _section("Hit rate by job title", "Of the questions answered, those that found somebody.", drawn)


def _reach(numbers: ReportNumbers) -> str:
    people = sum(numbers.reach.values())
    lines = [
        Bar(
            way, f"{numbers.reach[way]:,}", {name: numbers.reach[way] / people}, f"{numbers.reach[way]:,} people: {way}"
        )
        for way, name in _REACH.items()
        if numbers.reach.get(way)
    ]
    drawn = bars(lines, describes="How people can be reached") if lines else _NOTHING
    return _section(
        "How people can be reached", "Each person once, over all files; an e-mail counts when it is verified.", drawn
    )


def _addresses(numbers: ReportNumbers) -> str:
    everything = numbers.addresses["all"]
    lines = [
        Bar(
            flag,
            f"{_percent(count, everything)} of {everything:,}",
            {"found" if flag == "verified" else "found_soft": count / everything},
            f"{count:,} of {everything:,} addresses: {flag}",
        )
        for flag, count in numbers.addresses.items()
        if flag != "all" and everything
    ]
    drawn = bars(lines, describes="E-mail addresses by flag") if lines else _NOTHING
    return _section("E-mail addresses", "Verified is Openmart's word; the flags below it are our own.", drawn)


def _cost(numbers: ReportNumbers) -> str:
    costs = [
        (line, line.estimated_credits / line.usable_bought)
        for line in numbers.files
        if line.estimated_credits is not None and line.usable_bought
    ][:COSTS_SHOWN]
    highest = max((cost for _, cost in costs), default=0.0) or 1.0
    lines = [
        Bar(
            _name(line),
            f"{cost:,.1f}",
            {"accent": cost / highest},
            f"{_name(line)}: {line.estimated_credits:,.0f} credits, {line.usable_bought:,} usable contacts bought",
        )
        for line, cost in costs
    ]
    drawn = bars(lines, describes="Credits per usable contact by file") if lines else _NOTHING
    return _section(
        "Credits per usable contact",
        "What was bought for the file; what it reused cost nothing and is not counted.",
        drawn,
    )


def _months(numbers: ReportNumbers) -> str:
    lines = [
        Column(
            line.month,
            line.usable_contacts,
            f"{line.usable_contacts:,}",
            f"{line.month}: {line.usable_contacts:,} usable contacts of {line.purchases:,} questions bought"
            + ("" if line.estimated_credits is None else f", {line.estimated_credits:,.0f} credits"),
        )
        for line in numbers.months
    ]
    drawn = columns(lines, name="found", describes="Usable contacts by month") if lines else _NOTHING
    return _section("Usable contacts by month", "By the month in which their questions were bought.", drawn)


def _set_aside(numbers: ReportNumbers) -> str:
    rows = sum(numbers.set_aside.values())
    lines = [
        Bar(reason.replace("_", " "), f"{count:,}", {"errored": count / rows}, f"{count:,} rows: {reason}")
        for reason, count in numbers.set_aside.items()
    ]
    drawn = bars(lines, describes="Rows set aside by reason") if lines else _NOTHING
    return _section("Rows set aside", "Nothing is bought for them; rejected_rows says why, row by row.", drawn)


_COLUMNS = ("file", "rows", "with contact", "contacts", "usable", "hit rate", "credits", "per usable contact")


def _table(numbers: ReportNumbers) -> str:
    header = "".join(f"<th>{name}</th>" for name in _COLUMNS)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in _cells(line))}</tr>" for line in numbers.files)
    table = f'<div class="scroll"><table><thead><tr>{header}</tr></thead><tbody>{body}</tbody></table></div>'
    return _section("Files", "The same in figures.", table if numbers.files else _NOTHING, is_wide=True)


def _cells(line: FileLine) -> tuple[str, ...]:
    credits_, bought = line.estimated_credits, line.usable_bought
    return (
        safe(_name(line)),
        f"{line.rows:,}",
        _percent(line.by_status.get("found", 0), line.rows),
        f"{line.contacts:,}",
        f"{line.usable_contacts:,}",
        _percent(line.found, line.answered),
        NOTHING if credits_ is None else f"{credits_:,.0f}",
        NOTHING if credits_ is None or not bought else f"{credits_ / bought:,.1f}",
    )


def _words() -> str:
    entries = "".join(f"<dt>{_WORDS[status]}</dt><dd>{_MEANINGS[status]}</dd>" for status in STATUSES)
    return _section(
        "What the words mean", "Each row of a file is exactly one of these.", f"<dl>{entries}</dl>", is_wide=True
    )


_SECTIONS = (_coverage, _titles, _reach, _cost, _addresses, _months, _set_aside, _table)


def _percent(part: float, whole: float) -> str:
    return f"{100 * part / whole:.0f} %" if whole else NOTHING


def _name(line: FileLine) -> str:
    return line.name or f"{line.files:,} smaller files"
