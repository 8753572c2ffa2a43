"""Numbers as a person writes them in a sentence.

Lives here: a count with its noun.
"""


def plural(number: int, one: str, many: str | None = None) -> str:
    """Write a count with its noun: `1 batch`, `2 batches`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
