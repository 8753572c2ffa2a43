"""What every step of a file works with: where its data lies, and how the API may be asked.

Lives here: two values, made by the wiring from the settings. No rules.
"""

from dataclasses import dataclass

from openmart_pipeline.api.client import OpenmartClient
from openmart_pipeline.api.rate_limiter import RateLimiter
from openmart_pipeline.collection.poll import StallPolicy
from openmart_pipeline.intake.input_files import DataFolder
from openmart_pipeline.ledger.freezes import Surroundings
from openmart_pipeline.ledger.journal import SubmissionJournal
from openmart_pipeline.ledger.plans import Lifetimes
from openmart_pipeline.ledger.store import Ledger
from openmart_pipeline.ledger.suppressions import SuppressionList
from openmart_pipeline.model.prices import Budget, PriceTable
from openmart_pipeline.warehouse import Warehouse


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """Everything a step works with. Made by the wiring, from the settings."""

    data: DataFolder
    ledger: Ledger
    journal: SubmissionJournal
    surroundings: Surroundings
    suppressions: SuppressionList
    warehouse: Warehouse
    prices: PriceTable
    lifetimes: Lifetimes
    stall_policy: StallPolicy
    budget: Budget  # the settings' limits; what is approved for a plan comes with each purchase
    balance_floor: float | None
    hit_rate_floor: float  # shares, 0 to 1: below them a file is worth a look
    verified_rate_floor: float
    requests_per_s: float | None
    submit_concurrency: int
    read_connections: int
    api_host: str
    key_hash: str
    shared_platforms: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiSession:
    """The API, and how fast it may be asked: needed to buy and to collect, never to plan."""

    client: OpenmartClient
    rate_limiter: RateLimiter
