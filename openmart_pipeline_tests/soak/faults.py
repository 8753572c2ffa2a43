"""What goes wrong in a soak: which faults fall on which requests, and how often.

Names and rules are the simulator's own. No claim lives here.
"""

# Created or not, heard or not: each way in which a submit can fail. A 429 is a refusal, so nothing is created then.
SUBMIT = (
    "500_before_creating", "503_before_creating", "reset_before_creating", "429_before_creating", "created_then_502",
    "created_then_504", "created_then_reset", "created_then_closed", "created_then_timeout", "created_then_cut_off",
    "created_then_truncated_json", "created_then_no_batch_id",
)  # fmt: skip
POLL = ("poll_500", "poll_503", "poll_429", "poll_reset", "poll_timeout", "poll_cut_off", "poll_truncated_json")
IDS = ("ids_502", "ids_504", "ids_429", "ids_reset", "ids_timeout", "ids_truncated_json", "ids_missing", "ids_repeated")
TASK = ("task_500", "task_503", "task_429", "task_reset", "task_closed", "task_cut_off", "task_truncated_json")

LOST = ("created_then_reset", "created_then_502", "created_then_truncated_json", "created_then_timeout")
NEVER_CREATED = ("503_before_creating", "reset_before_creating")


def mixed(share: float) -> dict[str, str]:
    """Let this share of the submits, of the polls, of the lists of ids and of the results fail, in every way alike."""
    return {name: rule for route in (SUBMIT, POLL, IDS, TASK) for name, rule in one_of(route, share).items()}


def one_of(names: tuple[str, ...], share: float) -> dict[str, str]:
    """Let one of these faults fall on this share of their requests; each is rolled for by itself."""
    each = 1 - (1 - share) ** (1 / len(names))
    return dict.fromkeys(names, f"probability:{each:.6f}")
