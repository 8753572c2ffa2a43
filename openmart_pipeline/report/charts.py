"""Bars as inline SVG: shares of a whole, rates with what they are a rate of, amounts over time.

Lives here: geometry and text that is safe in a page. Colours are classes of the page's style sheet.
"""

import html
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

WIDE, HALF = 1022, 478  # pixels of a card on a desktop: drawn in its own size, text has one size everywhere
ROW = 30
BAR = 16
NUMBERS = 104  # room for figures at the right
COLUMNS_HEIGHT = 200
NAMES_SHARE = 0.36  # of the width, at the left
CHARACTER = 8.4  # pixels a character of the style sheet's 13 px takes at most, on average


def safe(text: object) -> str:
    """Return text for a page: markup is text, control and direction characters are shown as one sign."""
    plain = "".join(
        "\ufffd" if unicodedata.category(character) in ("Cc", "Cf", "Cs") else character for character in str(text)
    )
    return html.escape(plain)


@dataclass(frozen=True, slots=True)
class Bar:
    """One line of a chart."""

    label: str
    figure: str  # at the right end
    parts: Mapping[str, float]  # class of the style sheet -> share of the width, 0 to 1
    hint: str = ""  # shown while the pointer rests on the line


def bars(lines: Sequence[Bar], *, describes: str, width: int = HALF) -> str:
    """Draw horizontal bars, one below the other; `describes` is read out to whoever can't see them."""
    drawn = "".join(_bar(line, ROW * number, width) for number, line in enumerate(lines))
    return _drawing(drawn, width, ROW * len(lines), describes)


def _bar(line: Bar, top: float, width: int) -> str:
    left = width * NAMES_SHARE
    room = width - left - NUMBERS
    middle = top + ROW / 2
    place = f'y="{middle - BAR / 2:.1f}" height="{BAR}"'
    x = left
    pieces = []
    for name, share in line.parts.items():
        length = max(0.0, min(1.0, share)) * room
        if length > 0:
            pieces.append(f'<rect class="{safe(name)}" x="{x:.1f}" width="{length:.1f}" {place}/>')
            x += length
    label = safe(shortened(line.label, int(left / CHARACTER)))
    return (
        f"<g><title>{safe(line.hint or line.label)}</title>"
        f'<rect class="row" x="0" y="{top}" width="{width}" height="{ROW}"/>'
        f'<text class="label" x="{left - 12:.1f}" y="{middle}" text-anchor="end">{label}</text>'
        f'<rect class="track" x="{left:.1f}" width="{room:.1f}" {place}/>{"".join(pieces)}'
        f'<text class="figure" x="{width}" y="{middle}" text-anchor="end">{safe(line.figure)}</text></g>'
    )


def _drawing(drawn: str, width: int, height: int, describes: str) -> str:
    kind = "chart wide" if width == WIDE else "chart"
    return f'<svg class="{kind}" viewBox="0 0 {width} {height}" role="img" aria-label="{safe(describes)}">{drawn}</svg>'


def shortened(text: str, limit: int) -> str:
    """Return the text with its middle left out where it is too long: file names differ at both ends."""
    if len(text) <= limit:
        return text
    head = (limit - 1) * 2 // 3
    return f"{text[:head]}…{text[head + 1 - limit :]}"


@dataclass(frozen=True, slots=True)
class Column:
    """One upright bar."""

    label: str
    value: float
    figure: str
    hint: str


def columns(lines: Sequence[Column], *, name: str, describes: str) -> str:
    """Draw upright bars side by side, the highest as high as the drawing allows."""
    highest = max((line.value for line in lines), default=0) or 1
    step = HALF / max(len(lines), 6)  # a single month should not be a wall
    width = min(step * 0.62, 54)
    base = COLUMNS_HEIGHT - 26
    drawn = []
    for number, line in enumerate(lines):
        centre = step * (number + 0.5)
        height = (base - 26) * line.value / highest
        top = base - height
        drawn.append(
            f"<g><title>{safe(line.hint)}</title>"
            f'<rect class="{safe(name)}" x="{centre - width / 2:.1f}" y="{top:.1f}" width="{width:.1f}" '
            f'height="{height:.1f}"/>'
            f'<text class="figure" x="{centre:.1f}" y="{top - 10:.1f}" text-anchor="middle">{safe(line.figure)}</text>'
            f'<text class="label" x="{centre:.1f}" y="{base + 15}" text-anchor="middle">{safe(line.label)}</text></g>'
        )
    axis = f'<line class="axis" x1="0" y1="{base}" x2="{HALF}" y2="{base}"/>'
    return _drawing(axis + "".join(drawn), HALF, COLUMNS_HEIGHT, describes)
