"""What must be true of the ledger's tables at any moment, read with plain SQLite: claims for the random tests.

The legal moves and which tasks may stand in which batch are written down a second time here, from the README's words.
Imports nothing of the project.
"""

import sqlite3
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

Row = dict[str, Any]

# move -> (from, to): the only changes of a batch that an event may tell of
LEGAL = {
    "claim": ({None}, "sending"),
    "not_sent": ({"sending"}, "not_sent"),
    "rejected": ({"sending"}, "rejected"),
    "unknown": ({"sending"}, "unknown"),
    "accept": ({"sending", "unknown", "released"}, "submitted"),
    "adopt": ({"unknown", "released"}, "submitted"),
    "revoke_foreign": ({"submitted", "ready"}, "unknown"),
    "release": ({"unknown", "stalled"}, "released"),
    "ready": ({"submitted", "stalled"}, "ready"),
    "stalled": ({"submitted", "ready"}, "stalled"),
    "expired": ({"submitted", "ready", "stalled"}, "expired"),
    "settle": ({"submitted", "ready", "stalled"}, "collected"),
}
BY_A_PERSON = ("adopt", "release")
ENDED = {"found", "empty", "errored", "cancelled", "unmatched"}  # as the server's answers say
EXPECTED = {"in_flight", "stalled", "duplicate_in_flight"} | ENDED
TASKS_IN = {
    "sending": {"in_flight"},
    "not_sent": {"not_sent"},
    "rejected": {"rejected"},
    "unknown": {"unknown", "duplicate_in_flight"} | ENDED,
    "submitted": EXPECTED,
    "ready": EXPECTED,
    "stalled": EXPECTED - {"in_flight"},
    "expired": {"expired"} | ENDED,
    "released": {"released"} | ENDED,
    "collected": ENDED,
}
LIVE = {"in_flight", "unknown", "stalled"}
FINAL = ENDED | {"expired", "rejected", "not_sent"}  # no move leads out of these
FIXED = (
    *("token", "plan_id", "partition_key", "tasks", "owner_id", "key_hash"),
    *("intent_at", "deadline_at", "budget_day", "reserved_credits", "run_id"),
)


class Tables:
    """The ledger's rows at one moment."""

    def __init__(self, path: Path) -> None:
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
            connection.row_factory = sqlite3.Row
            self.batches = _rows(connection, "batches", "batch_no")
            self.tasks = _rows(connection, "tasks", "task_no")
            self.events = _rows(connection, "events", "seq")
            questions = _rows(connection, "questions", "question_id")
        connection.close()
        self.questions = {question["domain"]: number for number, question in questions.items()}
        self.tasks_of: dict[int, list[Row]] = defaultdict(list)
        for task in self.tasks.values():
            self.tasks_of[task["batch_no"]].append(task)
        self.events_of: dict[int | None, list[Row]] = defaultdict(list)
        for event in self.events.values():
            self.events_of[event["batch_no"]].append(event)

    def tracking_ids(self, batch_no: int) -> frozenset[str]:
        return frozenset(task["tracking_id"] for task in self.tasks_of[batch_no])


def _rows(connection: sqlite3.Connection, table: str, key: str) -> dict[int, Row]:
    return {row[key]: dict(row) for row in connection.execute(f"SELECT * FROM {table} ORDER BY {key}")}


def every_task_is_in_one_place(now: Tables) -> None:
    """Each batch holds as many tasks as were sent, in states that can stand together."""
    assert set(now.tasks_of) == set(now.batches), "tasks without a batch, or a batch without tasks"
    for batch_no, batch in now.batches.items():
        mine = now.tasks_of[batch_no]
        assert [task["position"] for task in mine] == list(range(batch["tasks"])), f"batch {batch_no} lost a task"
        states = {task["state"] for task in mine}
        assert states <= TASKS_IN[batch["state"]], f"batch {batch_no} is {batch['state']}, its tasks {states}"


def one_live_task_per_question(now: Tables) -> None:
    """And a duplicate in flight only where a person had released the batch it is in."""
    live = Counter(task["question_id"] for task in now.tasks.values() if task["state"] in LIVE)
    assert [question for question, count in live.items() if count > 1] == [], "a question is bought twice at once"
    for task in now.tasks.values():
        if task["state"] == "duplicate_in_flight":
            moves = {event["move"] for event in now.events_of[task["batch_no"]]}
            assert "release" in moves, "a second purchase of a live question, and no person's word for it"


def events_tell_the_state(now: Tables) -> None:
    """Replayed from its first event, each batch comes to the state it is in, by legal moves only."""
    for batch_no, batch in now.batches.items():
        state = None
        for event in now.events_of[batch_no]:
            if event["to_state"] is None:
                continue  # answers read, strays, unmatched tasks: no move of the batch
            sources, target = LEGAL[event["move"]]
            assert event["from_state"] == state in sources, f"batch {batch_no}: {event['move']} from {state}"
            assert event["to_state"] == target
            assert event["move"] not in BY_A_PERSON or (event["actor"] == "ann" and event["reason"])
            state = event["to_state"]
        assert state == batch["state"], f"batch {batch_no} is {batch['state']}, its events say {state}"


def ended_tasks_say_when(now: Tables) -> None:
    """What ended names the event that ended it, one of its own batch; an answer keeps its raw text."""
    for task in now.tasks.values():
        assert (task["ended_seq"] is None) == (task["state"] in LIVE | {"duplicate_in_flight"})
        if task["ended_seq"] is not None:
            assert now.events[task["ended_seq"]]["batch_no"] == task["batch_no"]
        assert task["state"] not in ("found", "empty") or task["raw"] is not None


def credits_follow_the_state(now: Tables) -> None:
    """Reserved until all has ended; nothing for what was surely not bought."""
    for batch_no, batch in now.batches.items():
        settled, state = batch["settled_credits"], batch["state"]
        may_be = {"not_sent": {0}, "rejected": {0}, "released": {0, None}, "collected": {settled} - {None}}
        assert settled in may_be.get(state, {None}), f"batch {batch_no} is {state} and settled at {settled}"


def history_only_grows(before: Tables, now: Tables) -> None:
    """No event changes or goes, no batch or task goes, what a batch was sent as stays, what ended stays as it ended."""
    for seq, event in before.events.items():
        assert now.events.get(seq) == event, f"event {seq} was rewritten"
    assert all(seq > max(before.events, default=0) for seq in now.events.keys() - before.events.keys())
    for batch_no, batch in before.batches.items():
        assert {name: now.batches[batch_no][name] for name in FIXED} == {name: batch[name] for name in FIXED}
    for task_no, task in before.tasks.items():
        if task["state"] in FINAL:
            assert now.tasks[task_no] == task, f"task {task_no} had ended as {task['state']} and was changed"


def nothing_but_polls_changed(before: Tables, now: Tables) -> None:
    """A refused move leaves everything as it was, but for when a batch is asked about next."""
    polls = {"polls", "next_poll_at", "leased_by", "gone_polls", "gone_since"}
    assert now.events == before.events
    assert now.tasks == before.tasks
    assert [_without(row, polls) for row in now.batches.values()] == [
        _without(row, polls) for row in before.batches.values()
    ]


def _without(row: Row, names: set[str]) -> Row:
    return {name: value for name, value in row.items() if name not in names}


ALWAYS = (
    every_task_is_in_one_place,
    one_live_task_per_question,
    events_tell_the_state,
    ended_tasks_say_when,
    credits_follow_the_state,
)
