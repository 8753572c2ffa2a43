"""`history`: who did what, when, how many and why: the audit trail, without anybody's data.

Lives here: how it is shown. What is in it is decided by `ledger.audit`.
"""

import datetime as dt
import json
from collections.abc import Mapping, Sequence

import click

from openmart_pipeline.cli.exits import Refusal, plain_sentences
from openmart_pipeline.cli.screen import harmless, results, table
from openmart_pipeline.cli.workplace import workplace
from openmart_pipeline.ledger import audit
from openmart_pipeline.model.answers import AuditRow
from openmart_pipeline.model.words import plural
from openmart_pipeline.services import Services

COPIES = ("export", "backup")  # acts that leave people's data where no erasure reaches
WIDTH = 80  # columns: fits every terminal, and a page


@click.command()
@click.option(
    "--since", type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M"]), metavar="DATE", help="Only from then on, UTC."
)
@click.option("--kind", "kinds", multiple=True, metavar="KIND", help="Only these: forget, purge, export, approve ...")
@click.option("--file", "file", metavar="FILE", help="Only what was done about this file.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
@click.pass_obj
def history(
    environment: Mapping[str, str],
    *,
    since: dt.datetime | None,
    kinds: tuple[str, ...],
    file: str | None,
    as_json: bool,
) -> None:
    """Show who did what, when, how many and why: oldest first, nothing is ever changed in it or removed.

    Approvals, decisions about unknown batches, forgetting, suppressing, purging, retiring, exports, queries, requests
    about a person, freezes. Never a person's data; who reads the published database with another program is not here.
    """
    from_then = None if since is None else since.replace(tzinfo=dt.UTC)
    with plain_sentences(), workplace(environment) as (_settings, work):
        rows = audit.trail(work.ledger, since=from_then, kinds=kinds, partition_key=file)
        if not rows:
            known = sorted({row.kind for row in audit.trail(work.ledger)})
            raise Refusal(f"Nothing of that was done. Kinds so far: {', '.join(known) or 'none'}.")
    if as_json:
        for row in rows:
            click.echo(json.dumps(row._asdict(), ensure_ascii=False, default=str))
    else:
        _show(rows)


def _show(rows: Sequence[AuditRow]) -> None:
    shown = table("", ("when (UTC)", "who", "what", "why"), numbers_from=4)
    shown.width = min(WIDTH, results().width)
    for row in rows:
        about = row.about_file if row.batch_no is None else f"batch {row.batch_no} of {row.about_file}"
        what = ", ".join(filter(None, (row.kind, about, row.how_many)))
        shown.add_row(f"{row.happened_at:%Y-%m-%d %H:%M}", harmless(row.who), harmless(what), harmless(row.why or "-"))
    shown.columns[0].no_wrap = True
    results().print(shown)


def copies_elsewhere(work: Services) -> str | None:
    """Return a sentence about the copies that were made so far, which no erasure reaches; None where none was."""
    made = [row.kind for row in audit.trail(work.ledger, kinds=COPIES)]
    if not made:
        return None
    said = " and ".join(plural(made.count(kind), kind) for kind in COPIES if kind in made)
    return (
        f"Out of reach: {said} made so far, wherever they are now. Who made them, and when: "
        f"openmart-pipeline history {' '.join(f'--kind {kind}' for kind in COPIES)}."
    )
