"""The vendor's routes: what the API answers, and where in it the faults fall.

The account behind the answers lives in `world`, the faults' effects in `damage`, the refusals of `door` come
before.
"""

import datetime as dt
from collections.abc import Iterable
from dataclasses import replace
from http import HTTPStatus
from urllib.parse import parse_qs

from openmart_pipeline.simulator import damage
from openmart_pipeline.simulator.deny import KINDS
from openmart_pipeline.simulator.door import Door, key_hash
from openmart_pipeline.simulator.exchange import (
    Answer,
    BadBodyError,
    Delivery,
    JsonObject,
    Request,
    json_answer,
    object_from_json,
    refusal,
)
from openmart_pipeline.simulator.faults import Fault, Route, Subject
from openmart_pipeline.simulator.made_up_people import people_at
from openmart_pipeline.simulator.submission import AskedTask, RefusedError, read_submission
from openmart_pipeline.simulator.traffic import Seen
from openmart_pipeline.simulator.vendor_batches import Batch, Purchase, Task, TaskState
from openmart_pipeline.simulator.world import World

OUTCOMES = {
    "errored": TaskState.ERRORED,
    "cancelled": TaskState.CANCELLED,
    "failed": TaskState.FAILED,
    "unknown_state": TaskState.QUARANTINED,
    "pending": TaskState.PENDING,
    "processing_forever": TaskState.PROCESSING,
}
NULL_AT_FIRST = "tracking_null_at_first"
BATCH_GONE = refusal(HTTPStatus.NOT_FOUND, "Batch not found")
TASK_GONE = refusal(HTTPStatus.NOT_FOUND, "Task not found")


class Vendor:
    """Answers as the vendor does, or as it does on a bad day."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._door = Door(world)
        self._read_before: set[str] = set()  # tasks, while a fault watches them

    def answer(self, request: Request) -> Answer:
        """Decide the whole answer now, purchases committed; delays and damage are for the wire to act out."""
        now = self._world.clock()
        route, things = _find_route(request.path)
        self._world.traffic.arrived(route, now)
        answer = self._door.turned_away(request, now) or self._routed(request, route, things, now)
        outcome = str(answer.status)
        if answer.delivery not in (Delivery.WHOLE, Delivery.TRICKLED):
            outcome = answer.delivery
        self._world.traffic.answered(Seen(now, route, outcome, request.path, request.connection_no))
        return answer

    def _routed(self, request: Request, route: Route, things: str, now: float) -> Answer:
        settings = self._world.settings
        hashed = key_hash(request)
        match route, request.method:
            case Route.SUBMIT, "POST":
                answer = self._submit(request, hashed, now)
                return replace(answer, delay_s=answer.delay_s + self._world.varied(settings.submit_s))
            case Route.POLL, "GET":
                answer = self._poll(things, hashed, now)
            case Route.IDS, "GET":
                answer = self._task_ids(things, request.query, hashed, now)
            case Route.TASK, "GET":
                answer = self._task(things, hashed, now)
            case Route.BALANCE, "GET":
                answer = self._balance(now)
            case Route.DENY, "POST" | "DELETE":
                answer = self._deny(request, things, hashed, now)
            case Route.OTHER, _:
                return refusal(HTTPStatus.NOT_FOUND, "Not Found")
            case _:
                return refusal(HTTPStatus.METHOD_NOT_ALLOWED, "Method Not Allowed")
        if settings.read_s:
            answer = replace(answer, delay_s=answer.delay_s + self._world.varied(settings.read_s))
        return answer

    def _submit(self, request: Request, hashed: str, now: float) -> Answer:
        try:
            asked = read_submission(request.body)
        except RefusedError as refused:
            return refused.answer
        ordinal = self._world.traffic.submits
        subject = Subject(
            roll=str(ordinal),
            nth=ordinal,
            domains={task.domain for task in asked},
            tracking_ids={task.tracking_id for task in asked},
        )
        faults = []
        for fault in self._world.fallen(Route.SUBMIT, subject):
            if fault.is_before_creating:
                return damage.on_the_wire(json_answer({}), fault.effect, self._world.settings, now)
            faults.append(fault)
        balance = self._world.balance
        if balance is not None and balance <= 0:
            return refusal(HTTPStatus.PAYMENT_REQUIRED, "Insufficient credits")
        batch = self._buy(asked, hashed, now)
        said: JsonObject = {
            "batch_id": batch.batch_id,
            "submit_for": "find_people",
            "status": batch.status_at(now),
        }
        for fault in faults:
            if not fault.is_wire:
                said = damage.submission(said, fault.effect)
        answer = replace(json_answer(said), on_heard=lambda: self._world.batches.mark_heard(batch))
        if "batch_id" not in said:
            answer = replace(answer, on_heard=None)
        return self._on_the_wire(answer, faults, now)

    def _buy(self, asked: list[AskedTask], hashed: str, now: float) -> Batch:
        settings = self._world.settings
        purchases = [self._purchase(task, hashed) for task in asked]
        return self._world.batches.buy(
            purchases,
            key_hash=hashed,
            now=now,
            processing_s=self._world.varied(settings.processing_s),
            credits_due=sum(
                purchase.emails * settings.credits_per_email + purchase.phones * settings.credits_per_phone
                for purchase in purchases
            ),
        )

    def _purchase(self, asked: AskedTask, hashed: str) -> Purchase:
        """Decide how a task will end, and count what it will be charged for: only what is found."""
        outcome = TaskState.COMPLETED
        if self._world.watches(Route.TASK):
            subject = Subject(roll=asked.question, domains=(asked.domain,), tracking_ids=(asked.tracking_id,))
            outcome = OUTCOMES.get(self._world.outcome_of(subject) or "", outcome)
        if outcome is not TaskState.COMPLETED:
            return Purchase(asked=asked, outcome=outcome, emails=0, phones=0)
        people = self._people(asked, hashed)
        return Purchase(
            asked=asked,
            outcome=outcome,
            emails=sum(1 for person in people if person["email"]),
            phones=sum(1 for person in people if person.get("phones")),
        )

    def _poll(self, batch_id: str, hashed: str, now: float) -> Answer:
        batch = self._known(batch_id, hashed)
        if batch is None or batch.batch_id != batch_id:
            return BATCH_GONE
        said = batch.status_at(now)
        faults = self._fallen_on_batch(Route.POLL, batch)
        for fault in faults:
            if not fault.is_wire:
                said = damage.status(said, fault.effect)
        return self._on_the_wire(json_answer(said), faults, now)

    def _task_ids(self, batch_id: str, query: str, hashed: str, now: float) -> Answer:
        batch = self._known(batch_id, hashed)
        if batch is None or batch.batch_id != batch_id:
            return BATCH_GONE
        wanted = parse_qs(query).get("status")
        ids = [task.task_id for task in batch.tasks if wanted is None or task.state_at(now) in wanted]
        faults = self._fallen_on_batch(Route.IDS, batch)
        for fault in faults:
            if not fault.is_wire:
                ids = damage.task_ids(ids, fault.effect, self._world.batches.task_id_elsewhere(batch))
        return self._on_the_wire(json_answer([*ids]), faults, now)

    def _task(self, task_id: str, hashed: str, now: float) -> Answer:
        batch = self._known(task_id, hashed)
        task = next((task for task in batch.tasks if task.task_id == task_id), None) if batch else None
        if batch is None or task is None:
            return TASK_GONE
        state = task.state_at(now)
        people = self._people(task, hashed) if state is TaskState.COMPLETED else None
        said: JsonObject = {
            "task_id": task.task_id,
            "status": state,
            "tracking_id": task.tracking_id,
            "data": None if people is None else [*people],
        }
        if not self._world.watches(Route.TASK):
            return json_answer(said)
        subject = Subject(
            roll=str(self._world.traffic.seen),
            steady_roll=task.question,
            domains=(task.domain,),
            tracking_ids=(task.tracking_id,),
            ids=(task_id, batch.batch_id),
        )
        faults = list(self._world.fallen(Route.TASK, subject))
        effects = [fault.effect for fault in faults if not fault.is_wire]
        if task_id in self._read_before and NULL_AT_FIRST in effects:
            effects.remove(NULL_AT_FIRST)
        self._read_before.add(task_id)
        body = damage.task(said, effects, batch)
        return self._on_the_wire(Answer(status=HTTPStatus.OK, body=body), faults, now)

    def _balance(self, now: float) -> Answer:
        today = dt.datetime.fromtimestamp(now, dt.UTC)
        start = today.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        end = (start + dt.timedelta(days=32)).replace(day=1)
        said: JsonObject = {
            "period_start": start.isoformat(),
            "period_end": end.isoformat(),
            "balance": self._world.balance_said,
        }
        return self._on_the_wire(json_answer(said), self._fallen_on_anyone(Route.BALANCE), now)

    def _deny(self, request: Request, action: str, hashed: str, now: float) -> Answer:
        try:
            said = object_from_json(request.body)
        except BadBodyError as error:
            return refusal(HTTPStatus.UNPROCESSABLE_ENTITY, str(error))
        kind, values = said.get("type"), said.get("values")
        if kind not in KINDS or not isinstance(values, list) or not all(isinstance(v, str) for v in values):
            return refusal(HTTPStatus.UNPROCESSABLE_ENTITY, "type is 'email' or 'phone', values are strings")
        kind, texts = str(kind), [str(value) for value in values]
        faults = self._fallen_on_anyone(Route.DENY)
        answer: JsonObject = {"type": kind, "values": [*texts]}
        if action == "check" and request.method == "POST":
            answer = {"denied": {text: self._world.deny.is_denied(hashed, kind, text) for text in texts}}
        elif action == "check":
            return refusal(HTTPStatus.METHOD_NOT_ALLOWED, "Method Not Allowed")
        elif request.method == "POST":
            self._world.deny.add(hashed, kind, texts)
        else:
            self._world.deny.remove(hashed, kind, texts)
        return self._on_the_wire(json_answer(answer), faults, now)

    def _known(self, any_id: str, hashed: str) -> Batch | None:
        """Give the batch of a batch or task id, if this key bought it and it has not expired."""
        batch = self._world.batches.find(any_id)
        if batch is None or batch.key_hash != hashed or batch.is_expired:
            return None
        self._world.batches.mark_asked_about(batch)
        return batch

    def _people(self, task: AskedTask | Task, hashed: str) -> list[JsonObject]:
        people = people_at(task.domain, task.title, max_k=task.max_k, email=task.wants_email, phone=task.wants_phone)
        return [person for person in people if self._world.deny.allows(hashed, person)]

    def _fallen_on_batch(self, route: Route, batch: Batch) -> list[Fault]:
        if not self._world.watches(route):
            return []
        subject = Subject(
            roll=str(self._world.traffic.seen),
            domains={task.domain for task in batch.tasks},
            tracking_ids={task.tracking_id for task in batch.tasks},
            ids=(batch.batch_id,),
        )
        return list(self._world.fallen(route, subject))

    def _fallen_on_anyone(self, route: Route) -> list[Fault]:
        return list(self._world.fallen(route, Subject(roll=str(self._world.traffic.seen))))

    def _on_the_wire(self, answer: Answer, faults: Iterable[Fault], now: float) -> Answer:
        for fault in faults:
            if fault.is_wire:
                answer = damage.on_the_wire(answer, fault.effect, self._world.settings, now)
        return answer


def _find_route(path: str) -> tuple[Route, str]:  # noqa: PLR0911  one return per route
    """Say which route a path is, and the id or action that stands in it."""
    match path.split("/"):
        case ["", "api", "v1", "task", task_id] if task_id != "batch":
            return Route.TASK, task_id
        case ["", "api", "v1", "task", "batch", "find_people"]:
            return Route.SUBMIT, ""
        case ["", "api", "v1", "task", "batch", batch_id, "status"]:
            return Route.POLL, batch_id
        case ["", "api", "v1", "task", "batch", batch_id, "task_ids"]:
            return Route.IDS, batch_id
        case ["", "api", "v2", "credit-balance"]:
            return Route.BALANCE, ""
        case ["", "api", "v2", "deny-rules"]:
            return Route.DENY, ""
        case ["", "api", "v2", "deny-rules", "check"]:
            return Route.DENY, "check"
        case _:
            return Route.OTHER, ""
