"""A profile of a few steps, on request: `--profile_steps=N`."""

import logging
import os
from typing import Any

import jax

LOGGER = logging.getLogger("gif2video_jax.training")


class Profile:
    """Traces `count` steps from `first` on, into `workdir`/profile, in process 0.

    TensorBoard's profile plugin shows it, and so does https://ui.perfetto.dev its trace.json.gz.
    """

    def __init__(self, workdir: str, first: int, count: int):
        """Traces nothing if `count` is 0."""
        self._folder = os.path.join(workdir, "profile")
        self._first, self._last = first, first + count
        self._wanted = count > 0 and jax.process_index() == 0
        self._running = False

    def before(self, step: int, state: Any) -> None:
        """Call before the step after `step`."""
        if self._wanted and step >= self._first:
            jax.block_until_ready(state)
            jax.profiler.start_trace(self._folder)
            self._wanted, self._running = False, True

    def after(self, step: int, state: Any) -> None:
        """Call after step `step`."""
        if self._running and step >= self._last:
            self.close(state)

    def close(self, state: Any) -> None:
        """Ends the trace if it runs."""
        if self._running:
            jax.block_until_ready(state)
            jax.profiler.stop_trace()
            self._running = False
            LOGGER.info("profile: %s", self._folder)
