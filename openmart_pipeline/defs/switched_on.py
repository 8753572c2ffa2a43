"""Which schedules that spend are switched on, for whoever checks the settings outside of Dagster."""

from pathlib import Path

import dagster as dg

SPENDING = ("buy_planned_contacts_daily", "refresh_stale_contacts_monthly")


def spending_schedules(home: Path) -> list[str]:
    """Return the names of the spending schedules that run in this DAGSTER_HOME."""
    with dg.DagsterInstance.from_config(str(home)) as instance:
        running = {one.name for one in instance.all_instigator_state() if one.status.value == "RUNNING"}
    return [name for name in SPENDING if name in running]
