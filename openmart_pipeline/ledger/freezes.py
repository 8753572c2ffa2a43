"""What keeps a sound ledger from buying: a copy of it, another ledger of the same key, a disk that may vanish.

Lives here: the questions before a purchase, and a person's word that lifts them. Collecting goes on in all cases. In
the simulated world nothing is held: a copy gets a name of its own, and buys.
"""

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from openmart_pipeline.ledger import identity
from openmart_pipeline.ledger.disks import doubt_about
from openmart_pipeline.ledger.key_registry import KeyRegistry, Living
from openmart_pipeline.ledger.schema import batches
from openmart_pipeline.ledger.store import Ledger, LedgerRefused


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What lies around a ledger: whatever else buys with its key on this machine, and the disks."""

    is_real: bool = False  # purchases cost money: what is doubtful is held
    registry: KeyRegistry | None = None  # None: nothing is known of other ledgers
    disk_lasts: bool = False  # a person's word for a disk that is not trusted

    def enter(self, ledger: Ledger, key_hash: str, last_batch: int) -> None:
        """Pass only with a ledger that buys with the key; how far it has come is kept outside of its folder.

        So an old copy of ledger and journal together is seen, and a second ledger that a person let live ends the
        purchases of this one. For a user without a home there is no such file, and nothing is known of other ledgers.

        Raises:
            LedgerRefused: another one does.

        """
        if self.is_real and self.registry is not None:
            with contextlib.suppress(OSError):
                if not self.registry.enter(key_hash, Living(ledger.uuid, str(ledger.path.resolve()), last_batch)):
                    raise LedgerRefused("Another ledger buys with this key now. Nothing more is sent from this one.")


def refuse_doubtful(ledger: Ledger, journal: Path, key_hash: str, around: Surroundings) -> None:
    """Let whoever wants to buy pass only with the ledger that lives, on a disk that lasts.

    Raises:
        LedgerRefused: it is a copy, another ledger buys with this key, or its disk may vanish; the sentence says which
            and what to do.

    """
    with ledger.write() as connection:
        place, bound = identity.place_of(ledger.path), identity.read_place(connection)
        is_elsewhere = bound is not None and not bound.holds(place)
        if is_elsewhere and not (around.is_real and _last_batch(connection)):
            identity.rename(connection)
            ledger.record(connection, "rename", reason="its file is a copy")
            is_elsewhere = False
        if not is_elsewhere and bound != place:
            identity.bind(connection, ledger.path)
        ledger.take_name(connection)
        last_batch = _last_batch(connection)
    for doubt in doubts(ledger, journal, key_hash, around):
        raise LedgerRefused(doubt)
    around.enter(ledger, key_hash, last_batch)


def doubts(ledger: Ledger, journal: Path, key_hash: str | None, around: Surroundings) -> Iterable[str]:
    """Yield what keeps the ledger from buying at a real API, in sentences; changes nothing."""
    if not around.is_real:
        return
    if not around.disk_lasts:
        for path in (ledger.path, journal):
            if doubt := doubt_about(path):
                yield (
                    f"{path} lies on {doubt}: what was paid for would be forgotten, and bought again. Nothing was "
                    "bought. Put the data folder on a disk that lasts, such as a volume (OPENMART_DATA_DIR). If you "
                    "know that this one does: OPENMART_LEDGER_DISK_LASTS=yes."
                )
                break
    with ledger.read() as connection:
        bound, last_batch = identity.read_place(connection), _last_batch(connection)
    if bound is not None and last_batch and not bound.holds(identity.place_of(ledger.path)):
        yield (
            f"The ledger {ledger.path} is a copy, or was put back: what it holds was bought from the file that lay at "
            f"{bound.path}. If both buy, both pay. Nothing was bought; collecting goes on. Buy from that one if it "
            "still exists. If it does not, and this one is the newest, say so: openmart-pipeline ledger lives --why "
            "TEXT."
        )
    if around.registry is None or key_hash is None:
        return
    living = around.registry.living(key_hash)
    own = next((one for one in living if one.ledger == ledger.uuid), None)
    if own is None and living:
        yield (
            f"This key buys from another ledger: {', '.join(one.path for one in living)}. Neither knows what the other "
            "bought, and the same questions would be paid twice. Nothing was bought; collecting goes on. Use that "
            "one's folder (OPENMART_DATA_DIR). If it is lost, or buys no more: openmart-pipeline ledger lives --why "
            "TEXT. If both shall buy: the same with --beside."
        )
    if own is not None and own.last_batch > last_batch:
        yield (
            f"The newest batch of the ledger {ledger.path} is {last_batch:,}; when it last bought on this machine it "
            f"was {own.last_batch:,}: an old copy was put back. What it bought since would be bought again. "
            "Nothing was bought; collecting goes on. Put the newest ledger back, or its journal and: openmart-pipeline "
            "ledger reconcile. If both are lost, say so: openmart-pipeline ledger lives --why TEXT."
        )


def say_it_lives(
    ledger: Ledger, key_hash: str | None, around: Surroundings, *, who: str, why: str, beside: bool
) -> None:
    """Let this ledger buy, in this place: under a new name, so that no other copy gives out its tracking ids.

    Other ledgers of its keys are held from now on, unless they go on `beside` it.

    Raises:
        OSError: other ledgers of this machine can't be told.

    """
    with ledger.write() as connection:
        identity.rename(connection)
        identity.bind(connection, ledger.path)
        ledger.record(connection, "lives", reason=why, actor=who)
        ledger.take_name(connection)
        former = ledger.names - {ledger.uuid}
        last_batch = _last_batch(connection)
        used = set(connection.execute(sa.select(batches.c.key_hash).distinct()).scalars())
    if around.registry is not None and around.is_real:
        for key in used | ({key_hash} if key_hash else set()):
            seen = Living(ledger.uuid, str(ledger.path.resolve()), last_batch)
            around.registry.let_live(key, seen, beside=beside, former=former)


def _last_batch(connection: sa.Connection) -> int:
    return int(connection.execute(sa.select(sa.func.max(batches.c.batch_no))).scalar() or 0)
