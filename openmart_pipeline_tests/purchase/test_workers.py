import signal
import threading

import pytest

from openmart_pipeline.purchase.workers import Worker


class InterruptedByAPerson(BaseException):
    """What Ctrl-C and Dagster's Terminate are: an exception out of a signal handler, no `Exception`."""


def _interrupt(_signal, _frame):
    raise InterruptedByAPerson


def test_a_worker_is_still_waited_for_after_an_interrupt_of_the_wait():
    may_end, ended = threading.Event(), []
    worker = Worker(lambda: ended.append(may_end.wait(10)), name="posting")
    before = signal.signal(signal.SIGALRM, _interrupt)
    try:
        worker.start()
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        with pytest.raises(InterruptedByAPerson):
            worker.wait()
        assert ended == []
        threading.Timer(0.1, may_end.set).start()
        worker.wait()
        assert ended == [True]
    finally:
        signal.signal(signal.SIGALRM, before)
