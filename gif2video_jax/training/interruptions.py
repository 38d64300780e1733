"""When a run saves and when it stops: signals and the clock, decided alike by all processes."""

import contextlib
import signal
import time
from collections.abc import Iterator

import jax

from gif2video_jax.training.distributed import agree

# Steps between two looks at signals and clock where several processes must agree on them: an
# exchange between hosts waits for the step before it, so it should be rare.
AGREE_EVERY = 10


@contextlib.contextmanager
def stop_on_signals() -> Iterator[list[int]]:
    """Yields a list that is empty until SIGTERM or SIGINT arrives.

    A second SIGINT (Ctrl-C) raises KeyboardInterrupt, for those who do not want to wait.
    """
    received: list[int] = []

    def note(number: int, _frame) -> None:
        if number == signal.SIGINT and signal.SIGINT in received:
            raise KeyboardInterrupt
        received.append(number)

    previous = {number: signal.signal(number, note) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield received
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


class Decisions:
    """Whether to stop and whether to save, asked before each step and after it."""

    def __init__(self, received: list[int], *, every_seconds: float, every_steps: int, step: int):
        """Starts the clock.

        Args:
          received: signals so far, see `stop_on_signals`.
          every_seconds: save when the last save is longer ago, by process 0's clock.
          every_steps: save at multiples of it too; 0 for no such saves.
          step: at which the run starts.
        """
        self._received = received
        self._every_seconds = every_seconds
        self._every_steps = every_steps
        self._saved_at = time.monotonic()
        self._stop = False
        self.saved_step = step

    def stop(self, step: int) -> bool:
        """Whether to stop before the step after `step`."""
        if jax.process_count() == 1:
            return bool(self._received)
        if step % AGREE_EVERY == 0:
            (self._stop,) = agree(bool(self._received))
        return self._stop

    def save(self, step: int) -> bool:
        """Whether to save after `step`."""
        if self._every_steps and step % self._every_steps == 0:
            return True
        due = time.monotonic() - self._saved_at > self._every_seconds
        if jax.process_count() == 1:
            return due
        if step % AGREE_EVERY:
            return False
        (due,) = agree(due and jax.process_index() == 0)
        return due

    def saved(self, step: int) -> None:
        """Starts the clock anew."""
        self._saved_at = time.monotonic()
        self.saved_step = step

    def interrupted(self, patience: float = 2.0) -> bool:
        """Whether a signal has come or comes within `patience` seconds.

        Who stops us may stop our data workers a moment before.
        """
        until = time.monotonic() + patience
        while not self._received and time.monotonic() < until:
            time.sleep(0.05)
        return bool(self._received)
