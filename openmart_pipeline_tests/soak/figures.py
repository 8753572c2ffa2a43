"""What a soak counted and what it claims, as a table at its end.

Imports rich by way of the project's own screen. Nothing is measured here.
"""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from openmart_pipeline.cli.screen import duration, harmless, results, table


@dataclass(slots=True)
class Figures:
    """The numbers of one soak, filled while it runs."""

    begun_s: float = field(default_factory=time.monotonic)
    batches: int = 0
    tasks: int = 0
    runs: int = 0
    kills: int = 0
    breaker_trips: int = 0
    unknown: int = 0
    adopted: int = 0
    released: int = 0
    contacts: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    requests: int = 0
    working_s: float = 0.0  # until everything was settled
    judging_s: float = 0.0  # from there to the last claim
    peak_mb: float = 0.0
    sizes_mb: dict[str, float] = field(default_factory=dict)
    claims: dict[str, str] = field(default_factory=dict)  # sentence -> what speaks against it, "" for nothing

    def claim(self, sentence: str, check: Callable[[], object]) -> None:
        """Put a claim to the test: it fails when `check` raises AssertionError, or returns something that is true."""
        try:
            problem = check()
        except AssertionError as error:
            problem = str(error).splitlines()[0] if str(error) else "it does not hold"
        self.claims[sentence] = str(problem or "")

    @property
    def failed(self) -> list[str]:
        """The claims that do not hold, each with the reason."""
        return [f"{sentence}: {problem}" for sentence, problem in self.claims.items() if problem]

    def measure(self, **paths: Path) -> None:
        """Note how large these files are, logs beside them included."""
        for name, path in paths.items():
            beside = path.parent.glob(f"{path.name}*")
            self.sizes_mb[name] = sum(file.stat().st_size for file in beside) / 1e6


def show(title: str, figures: Figures) -> None:
    """Print the table: the figures, the faults by kind, the claims."""
    screen = results()
    numbers = table(title, ("", ""))
    rate = figures.tasks / figures.working_s if figures.working_s else 0.0
    rows = {
        "batches collected": f"{figures.batches:,}",
        "tasks collected": f"{figures.tasks:,}",
        "contacts published": f"{figures.contacts:,}",
        "runs": f"{figures.runs:,}",
        "of them killed with kill -9": f"{figures.kills:,}",
        "stopped by the breaker": f"{figures.breaker_trips:,}",
        "batches that became unknown": f"{figures.unknown:,}",
        "adopted": f"{figures.adopted:,}",
        "released": f"{figures.released:,}",
        "requests": f"{figures.requests:,}",
        "faults": f"{figures.faults.total():,}",
        "wall time of the work": duration(figures.working_s),
        "tasks a second, restarts and all": f"{rate:,.0f}",
        "wall time of the comparison": duration(figures.judging_s),
        "peak memory of a run": f"{figures.peak_mb:,.0f} MB",
        **{f"size of the {name}": f"{size:,.0f} MB" for name, size in figures.sizes_mb.items()},
    }
    for name, value in rows.items():
        numbers.add_row(name, value)
    screen.print(numbers)
    fell = table("Faults by kind", ("", "fell on"))
    for name, times in sorted(figures.faults.items()):
        fell.add_row(name, f"{times:,}")
    screen.print(fell)
    claims = table("Claims", ("", ""), numbers_from=2)
    for sentence, problem in figures.claims.items():
        claims.add_row(harmless(sentence), harmless(f"FAILS: {problem}" if problem else "holds"))
    screen.print(claims)
