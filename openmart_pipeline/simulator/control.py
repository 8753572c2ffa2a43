"""The simulator's own routes, under `/simulator/`: its account, its memory of requests, its behaviour.

No key is asked for and nothing here is counted: the vendor has no such routes.
"""

from http import HTTPStatus
from urllib.parse import parse_qs

from openmart_pipeline.simulator import account
from openmart_pipeline.simulator.behaviour import BehaviourError
from openmart_pipeline.simulator.exchange import (
    Answer,
    BadBodyError,
    JsonObject,
    Request,
    json_answer,
    object_from_json,
    refusal,
)
from openmart_pipeline.simulator.vendor_batches import TaskState
from openmart_pipeline.simulator.world import World

PREFIX = "/simulator/"
BATCHES_A_PAGE = 1000
ALL = "all"
NO_SUCH_ROUTE = refusal(HTTPStatus.NOT_FOUND, "The simulator has no such route")


class Control:
    """Answers the questions and orders of whoever runs the simulator."""

    def __init__(self, world: World) -> None:
        self._world = world

    def answer(self, request: Request) -> Answer:
        """Answer a request under `/simulator/`; a mistake in it is answered in a sentence, status 400."""
        try:
            return self._routed(request)
        except (BehaviourError, BadBodyError, ValueError) as error:
            return refusal(HTTPStatus.BAD_REQUEST, str(error))

    def _routed(self, request: Request) -> Answer:  # noqa: PLR0911  one return per route
        asked = {name: values[-1] for name, values in parse_qs(request.query).items()}
        match request.method, request.path.removeprefix(PREFIX).split("/"):
            case "GET", ["account"]:
                return json_answer(self._account())
            case "GET", ["account", "batches"]:
                after, limit = int(asked.get("after", "0")), int(asked.get("limit", BATCHES_A_PAGE))
                return json_answer(account.batches(self._world.connection, after=after, limit=limit))
            case "GET", ["account", "questions_charged_twice"]:
                return json_answer(account.charged_twice(self._world.connection))
            case "GET", ["requests"]:
                since = float(asked.get("since", "0"))
                return json_answer(self._world.traffic.latest(route=asked.get("route"), since=since))
            case "GET", ["behaviour"]:
                return json_answer(self._world.behaviour.to_json())
            case "PUT", ["behaviour"]:
                self._world.behave(object_from_json(request.body))
                return json_answer(self._world.behaviour.to_json())
            case "POST", ["batches", which, action]:
                return self._change_batches(which, action, object_from_json(request.body or b"{}"))
            case _:
                return NO_SUCH_ROUTE

    def _account(self) -> JsonObject:
        return {
            "credits_start": self._world.settings.credits,
            "balance": self._world.balance,
            **account.totals(self._world.connection),
            **self._world.traffic.summary(),
        }

    def _change_batches(self, which: str, action: str, order: JsonObject) -> Answer:
        """Change one batch by its id, or `all`: make it ready, let it expire, let its tasks end otherwise."""
        batch = self._world.batches.find(which)
        if batch is None and which != ALL:
            return refusal(HTTPStatus.NOT_FOUND, f"No batch has the id {which}")
        batch_no = None if batch is None else batch.batch_no
        match action:
            case "ready":
                self._world.batches.finish(batch_no)
            case "expire":
                self._world.batches.expire(batch_no)
            case "tasks":
                outcome = TaskState(str(order.get("state")))
                self._world.batches.end_tasks(batch_no, outcome, order.get("tracking_ids"))
            case _:
                return NO_SUCH_ROUTE
        return json_answer({})
