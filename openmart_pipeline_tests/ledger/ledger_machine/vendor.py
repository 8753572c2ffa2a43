"""The vendor as the random histories have it: what was really created, hence charged, under which id.

The account that ours is held against: it knows no state of ours. No claims here. Imports nothing of the project.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Created:
    """A batch that the vendor made and charges for."""

    vendor_batch_id: str
    questions: Mapping[str, str]  # tracking id -> the company asked about

    @property
    def tracking_ids(self) -> frozenset[str]:
        return frozenset(self.questions)


class Vendor:
    """Every batch that a POST created, whether or not anybody heard its id; and those of others on the account."""

    def __init__(self) -> None:
        self.batches: dict[str, Created] = {}
        self._of_others: dict[str, Created] = {}

    def create(self, questions: Iterable[tuple[str, str]]) -> str:
        """Create a batch of (tracking id, company) pairs; return its id, to be heard or lost."""
        vendor_batch_id = f"vendor-{len(self.batches) + 1}"
        self.batches[vendor_batch_id] = Created(vendor_batch_id, dict(questions))
        return vendor_batch_id

    def create_for_another(self, tasks: int) -> str:
        """Create a batch that none of our POSTs asked for; return its id, which a person may mistake for ours."""
        vendor_batch_id = f"another-{len(self._of_others) + 1}"
        questions = {f"{vendor_batch_id}-{number}": "elsewhere.com" for number in range(tasks)}
        self._of_others[vendor_batch_id] = Created(vendor_batch_id, questions)
        return vendor_batch_id

    def serves(self, vendor_batch_id: str) -> Mapping[str, str]:
        """What is answered under an id: tracking id -> the company asked about."""
        return (self.batches | self._of_others)[vendor_batch_id].questions

    def id_of(self, tracking_ids: frozenset[str]) -> str | None:
        """What support would find under these tracking ids; None when the POST created nothing."""
        return next((batch_id for batch_id, made in self.batches.items() if made.tracking_ids == tracking_ids), None)

    def charged(self) -> set[str]:
        """The tracking ids of everything charged: one each, whatever was heard of it."""
        return {tracking_id for batch in self.batches.values() for tracking_id in batch.questions}
