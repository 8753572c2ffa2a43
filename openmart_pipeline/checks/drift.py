"""Whether the answers still look as they did: keys that came, and keys that went.

Lives here: comparing the last days with what came before; changes nothing. What a key's value looks like, and whether
it could be read, is the business of `findings.odd_answers`.
"""

import datetime as dt
from collections import Counter
from dataclasses import dataclass, field

from openmart_pipeline.checks.findings import SAMPLE, CheckResult
from openmart_pipeline.model.words import plural
from openmart_pipeline.services import Services

RECENT = dt.timedelta(days=7)  # so long a change is shown; then it is what is usual
ENOUGH = 20  # objects: of fewer nobody can say what is usual
USUAL = 0.5  # a key in so many of the earlier ones is missed when it is in none of the newer
READ = 5_000  # answers on each side: the check costs the same however much is held
NAME_LENGTH = 60  # characters of a key that are shown: what an API calls a key may be anything
# What an answer and a person in it are documented to hold (API section 4), and what we add.
DOCUMENTED = {
    "answers": {"task_id", "status", "tracking_id", "data", "people_removed_on_request"},
    "people": {"first_name", "last_name", "full_name", "title", "email", "phones", "linkedin_url"},
}

# Each key, and as NULL each object. A person who was asked about without phones has none: that is no lost key.
_KEYS = """
WITH answers AS (
    SELECT raw, info_access, is_new
    FROM task_results JOIN (
        SELECT input_file, task_no, fetched_at >= $since AS is_new FROM task_results
        WHERE state IN ('found', 'empty')
        QUALIFY row_number() OVER (PARTITION BY is_new ORDER BY fetched_at DESC, task_no DESC, input_file) <= $read
    ) USING (input_file, task_no)
    WHERE json_valid(raw)
), objects AS (
    SELECT 'answers' AS place, raw::JSON AS object, info_access, is_new FROM answers
    UNION ALL
    SELECT 'people', unnest(json_extract(raw, '$.data[*]')), info_access, is_new FROM answers
), keys AS (
    SELECT place, info_access, is_new, unnest(list_concat([NULL::VARCHAR], json_keys(object))) AS name
    FROM objects WHERE json_type(object) = 'OBJECT'
)
SELECT place, info_access, name, count(*) FILTER (WHERE NOT is_new), count(*) FILTER (WHERE is_new)
FROM keys GROUP BY ALL ORDER BY ALL
"""


def drifted_answers(work: Services) -> CheckResult:
    """Find keys that came into the answers lately, or left them: the API says more or less than it did."""
    since = (work.ledger.clock() - RECENT).astimezone(dt.UTC).replace(tzinfo=None)
    seen = _Seen()
    for place, access, name, earlier, lately in work.warehouse.query(_KEYS, {"since": since, "read": READ}):
        seen.add(place, access, name, earlier, lately)
    changes = [*seen.came(), *seen.went()]
    usual = ", ".join(seen.undocumented()[:SAMPLE])
    return CheckResult(
        count=len(changes),
        says=f"{plural(len(changes), 'key')} came into the answers or left them in the last {RECENT.days} days.",
        all_clear=f"Not documented, and in task_results.raw alone: {usual}." if usual else "All keys are documented.",
        sample=tuple(changes[:SAMPLE]),
        advice="Nothing is lost: task_results.raw holds what came. Where a documented key is gone, its columns stay "
        "empty from now on: ask Openmart. A new one worth a column is added in api/people.py. After "
        f"{RECENT.days} days this is what is usual, and the check green again.",
    )


@dataclass(slots=True)
class _Seen:
    """Counts of objects and keys, before and lately."""

    objects: Counter[tuple[str, str, bool]] = field(default_factory=Counter)  # place, access, whether lately
    keys: Counter[tuple[str, str, str, bool]] = field(default_factory=Counter)  # the same with the key's name

    def add(self, place: str, access: str, name: str | None, earlier: int, lately: int) -> None:
        for is_new, count in ((False, earlier), (True, lately)):
            if name is None:
                self.objects[place, access, is_new] += count
            else:
                self.keys[place, access, name, is_new] += count

    def undocumented(self) -> list[str]:
        """Return the keys that no documentation names, most frequent first."""
        counts = Counter[tuple[str, str]]()
        for (place, _access, name, _is_new), count in self.keys.items():
            if name not in DOCUMENTED[place]:
                counts[place, name] += count
        return [f"{name[:NAME_LENGTH]!r} of {place} ({count:,})" for (place, name), count in counts.most_common()]

    def came(self) -> list[str]:
        """Return the undocumented keys that are in the newer answers and in none of the earlier ones."""
        earlier, lately = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
        for (place, _access, name, is_new), count in self.keys.items():
            (lately if is_new else earlier)[place, name] += count
        return [
            f"new: {name[:NAME_LENGTH]!r} of {place}, in {count:,} of {self._total(place, is_new=True):,}"
            for (place, name), count in lately.most_common()
            if count
            and not earlier[place, name]
            and name not in DOCUMENTED[place]
            and self._total(place, is_new=False) >= ENOUGH
        ]

    def went(self) -> list[str]:
        """Return the keys that were usual for what was asked, and are in none of the newer answers to the same."""
        gone = {}
        for (place, access, name, is_new), count in self.keys.items():
            before, now = self.objects[place, access, False], self.objects[place, access, True]
            is_usual = not is_new and before >= ENOUGH and count >= USUAL * before
            if is_usual and now >= ENOUGH and not self.keys[place, access, name, True]:
                gone[place, name] = f"gone: {name[:NAME_LENGTH]!r} of {place}, in none of {now:,}, before in {count:,}"
        return [gone[key] for key in sorted(gone)]

    def _total(self, place: str, *, is_new: bool) -> int:
        return sum(count for (of, _, lately), count in self.objects.items() if (of, lately) == (place, is_new))
