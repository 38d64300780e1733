"""Tasks: what one training step does, apart from the loop around it.

A task turns a config into three functions: `init`, `step` and `evaluate`. The loop knows nothing
else of it.
"""

import dataclasses
from typing import Any, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import ml_collections
import optax
from jaxtyping import Array, Float

from gif2video_jax.models.build import build_model
from gif2video_jax.ops.image import to_float
from gif2video_jax.ops.palette import colors_at
from gif2video_jax.training import losses
from gif2video_jax.training.interpolation_task import InterpolationTask
from gif2video_jax.training.metrics import mean_psnr
from gif2video_jax.training.optimizers import make_optimizer
from gif2video_jax.training.state import TrainState, update_average

Batch = dict[str, Array]
Metrics = dict[str, Float[Array, ""]]


@runtime_checkable
class Task(Protocol):
    """What the loop needs of a task."""

    def init(self, key: jax.Array, batch: Batch) -> TrainState:
        """Makes the state before the first step; `batch` is an example of the data's shapes."""
        ...

    def step(self, state: TrainState, batch: Batch) -> tuple[TrainState, Metrics]:
        """One update. Pure, so that the loop can jit, shard and donate."""
        ...

    def evaluate(self, state: TrainState, batch: Batch) -> Metrics:
        """Metrics of the averaged network on a batch, each a mean over the batch."""
        ...


class DequantizationTask:
    """Trains CCDNet-1 without a GAN: L1 and gradient difference."""

    def __init__(self, config: ml_collections.ConfigDict):
        """Builds network and optimiser from a config."""
        self.config = config
        self.model = build_model("ccdnet1", config.model)
        self.optimizer = make_optimizer(config.optimizer, config.num_steps)

    def init(self, key: jax.Array, batch: Batch) -> TrainState:
        """See `Task`."""
        gif, geometry, _ = self._inputs(batch)
        variables = dict(self.model.init(key, gif, geometry))
        params = variables.pop("params")
        return TrainState(
            step=jnp.zeros((), jnp.int32),
            params=params,
            model_state=variables,
            optimizer_state=self.optimizer.init(params),
            average=jax.tree.map(jnp.copy, params),
        )

    def step(self, state: TrainState, batch: Batch) -> tuple[TrainState, Metrics]:
        """See `Task`."""
        gif, geometry, truth = self._inputs(batch)

        def loss_of(params):
            variables = {"params": params, **state.model_state}
            prediction, updated = self.model.apply(
                variables, gif, geometry, train=True, mutable=list(state.model_state)
            )
            weights = self.config.losses
            terms = {
                "l1": losses.l1(prediction, truth),
                "gradient": losses.gradient_difference(prediction, truth),
                "charbonnier": losses.charbonnier(prediction, truth),
            }
            loss = sum(weights[name] * terms[name] for name in weights if weights[name])
            return loss, (terms, updated)

        (loss, (terms, model_state)), gradient = jax.value_and_grad(loss_of, has_aux=True)(
            state.params
        )
        updates, optimizer_state = self.optimizer.update(
            gradient, state.optimizer_state, state.params
        )
        params = optax.apply_updates(state.params, updates)
        state = dataclasses.replace(
            state,
            step=state.step + 1,
            params=params,
            model_state=model_state,
            optimizer_state=optimizer_state,
            average=update_average(state.average, params, self.config.ema_decay, state.step),
        )
        return state, {"loss": loss, **terms, "gradient_norm": optax.tree.norm(gradient)}

    def evaluate(self, state: TrainState, batch: Batch) -> Metrics:
        """PSNR in dB of the GIF and of the restored patches."""
        gif, geometry, truth = self._inputs(batch)
        variables = {"params": state.average, **state.model_state}
        prediction: Any = self.model.apply(variables, gif, geometry)
        restored = mean_psnr(jnp.clip(prediction, -1, 1), truth)
        return {
            "psnr": restored,
            "gain": restored - mean_psnr(gif, truth),
        }

    def _inputs(self, batch: Batch) -> tuple[Any, Any, Any]:
        """GIF frame, geometry of each pixel or None, truth; all float."""
        gif = colors_at(to_float(batch["palette"]), batch["indices"])
        geometry = None
        if self.config.model.geometry_channels:
            table = batch["geometry"][..., : self.config.model.geometry_channels]
            geometry = colors_at(table, batch["indices"])
        return gif, geometry, to_float(batch["truth"])


TASKS: dict[str, Any] = {"dequantization": DequantizationTask, "interpolation": InterpolationTask}


def make_task(config: ml_collections.ConfigDict) -> Task:
    """Builds the task that `config.task` names.

    Raises:
      ValueError: on an unknown name; lists what is available.
    """
    if config.task not in TASKS:
        raise ValueError(f"task: expected one of {', '.join(TASKS)}, got {config.task!r}")
    return TASKS[config.task](config)
