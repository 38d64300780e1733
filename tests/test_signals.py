"""Signals that end the program become exceptions, so that `with` blocks clean up."""

import os
import signal
import sys
import threading
import time

import pytest

from gif2video_jax.signals import Terminated, termination_raises


@pytest.fixture(autouse=True)
def signals_end_programs():
    """Signals as a program finds them that is started by hand: none is ignored."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, signal.SIG_DFL) for number in numbers}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_raises_once_and_clean_up_is_not_disturbed(number):
    before = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    cleaned = []
    with pytest.raises(Terminated) as end, termination_raises():
        try:
            os.kill(os.getpid(), number)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)  # an impatient second one
            os.kill(os.getpid(), signal.SIGINT)
            cleaned.append(True)
    assert cleaned == [True]
    assert end.value.exit_code == 128 + number
    assert {n: signal.getsignal(n) for n in before} == before


def test_a_signal_is_not_lost_where_python_drops_exceptions():
    class Dropping:
        def __del__(self):
            os.kill(os.getpid(), signal.SIGTERM)

    hook = sys.unraisablehook
    with pytest.raises(Terminated) as end, termination_raises():
        Dropping()  # what its __del__ raises goes nowhere
        time.sleep(10)
    assert end.value.exit_code == 143
    assert sys.unraisablehook is hook


def test_a_signal_that_is_ignored_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # what nohup does
    try:
        with termination_raises():
            os.kill(os.getpid(), signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_other_threads_are_left_alone():
    failures = []

    def work():
        try:
            with termination_raises():
                pass
        except Exception as error:
            failures.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert failures == []
