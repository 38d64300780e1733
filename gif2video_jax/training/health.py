"""Stops a run that has diverged, at the first step that did, before anything of it is saved."""

import math
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gif2video_jax.training.checkpoints import Checkpoints

# Steps whose metrics may wait for a look; they are a few numbers each, on the devices.
_MOST_WAITING = 200


class Health:
    """Watches the losses and gradients of every step, and parameters before they are saved."""

    def __init__(self, checkpoints: Checkpoints):
        """Starts with nothing to look at."""
        self._checkpoints = checkpoints
        self._waiting: list[tuple[int, Mapping[str, jax.Array]]] = []
        self._finite = jax.jit(_all_finite)

    def note(self, step: int, metrics: Mapping[str, jax.Array]) -> None:
        """Keeps a step's metrics for the next look, without waiting for them."""
        self._waiting.append((step, metrics))
        if len(self._waiting) > 2:
            # Two steps behind the devices: enough to keep them busy, and batches do not pile up.
            jax.block_until_ready(self._waiting[-3][1])
        if len(self._waiting) >= _MOST_WAITING:
            self.check()

    def check(self, state: Any = None) -> None:
        """Looks at all steps since the last look and, where given, at a state before it is saved.

        Raises:
          FloatingPointError: if a loss or a gradient norm, or an array of the state, is not finite;
            says where, which term, and from which checkpoint one may go on.
        """
        waiting, self._waiting = self._waiting, []
        metrics: dict[str, float] = {}
        for step, values in jax.device_get(waiting):
            metrics = {name: float(value) for name, value in values.items()}
            if not all(math.isfinite(metrics[name]) for name in metrics if _is_watched(name)):
                raise self._diverged(step, "the loss or its gradient is not finite", metrics)
        if state is not None and not bool(self._finite(state)):
            # The step's loss and gradient were fine, what it did to the parameters was not.
            raise self._diverged(int(state.step), "the parameters are not finite", metrics)

    def _diverged(self, step: int, what: str, metrics: Mapping[str, float]) -> FloatingPointError:
        terms = ", ".join(f"{name} {value:g}" for name, value in metrics.items())
        last = self._checkpoints.latest_step
        good = "there is no checkpoint yet" if last is None else f"the last good one is step {last}"
        return FloatingPointError(
            f"step {step}: {what} ({terms}); not saved; {good} in {self._checkpoints.directory}; "
            "lower the learning rate or clip gradients"
        )


def _is_watched(name: str) -> bool:
    return "loss" in name or "gradient_norm" in name


def _all_finite(state: Any) -> jax.Array:
    # What a task adds may hold infinities, such as a threshold that nothing has set yet.
    leaves = jax.tree.leaves((state.params, state.model_state, state.average))
    leaves = [x for x in leaves if jnp.issubdtype(x.dtype, np.floating)]
    return jnp.all(jnp.stack([jnp.all(jnp.isfinite(x)) for x in leaves]))
