"""Trains SuperSlomo without a GAN, on frames and, where they are known, on flows."""

from typing import Any

import jax
import jax.numpy as jnp
import ml_collections
import optax
from jaxtyping import Array, Float

from gif2video_jax.models.build import build_model
from gif2video_jax.models.superslomo import Interpolation
from gif2video_jax.ops.image import to_float
from gif2video_jax.ops.warp import warp
from gif2video_jax.training import losses
from gif2video_jax.training.metrics import mean_psnr
from gif2video_jax.training.optimizers import make_optimizer
from gif2video_jax.training.state import TrainState, update_average

Batch = dict[str, Array]
Metrics = dict[str, Float[Array, ""]]


class InterpolationTask:
    """The terms of the paper's loss, each with a weight, and a supervised flow term beside them."""

    def __init__(self, config: ml_collections.ConfigDict):
        """Builds network and optimiser from a config."""
        self.config = config
        self.model = build_model("superslomo", config.model)
        self.optimizer = make_optimizer(config.optimizer, config.num_steps)

    def init(self, key: jax.Array, batch: Batch) -> TrainState:
        """See `Task`."""
        keys = to_float(batch["keys"])
        params = self.model.init(key, keys[:, 0], keys[:, 1], batch["times"])["params"]
        return TrainState(
            step=jnp.zeros((), jnp.int32),
            params=params,
            model_state={},
            optimizer_state=self.optimizer.init(params),
            average=jax.tree.map(jnp.copy, params),
        )

    def step(self, state: TrainState, batch: Batch) -> tuple[TrainState, Metrics]:
        """See `Task`."""
        keys, truth = to_float(batch["keys"]), to_float(batch["truth"])

        def loss_of(params):
            result = self._apply(params, keys, batch["times"])
            terms = loss_terms(result, keys, truth, batch["flows"], batch["visible"])
            weights = self.config.losses
            return sum(weights[name] * terms[name] for name in weights if weights[name]), terms

        (loss, terms), gradient = jax.value_and_grad(loss_of, has_aux=True)(state.params)
        updates, optimizer_state = self.optimizer.update(
            gradient, state.optimizer_state, state.params
        )
        params = optax.apply_updates(state.params, updates)
        state = state.replace(
            step=state.step + 1,
            params=params,
            optimizer_state=optimizer_state,
            average=update_average(state.average, params, self.config.ema_decay, state.step),
        )
        return state, {"loss": loss, **terms, "gradient_norm": optax.tree.norm(gradient)}

    def evaluate(self, state: TrainState, batch: Batch) -> Metrics:
        """PSNR in dB of the frames between, and how far it is above blending the key frames."""
        keys, truth = to_float(batch["keys"]), to_float(batch["truth"])
        frames = _merge(self._apply(state.average, keys, batch["times"]).frames)
        t = batch["times"][..., None, None, None]
        blended = _merge((1 - t) * keys[:, :1] + t * keys[:, 1:])
        psnr = mean_psnr(jnp.clip(frames, -1, 1), _merge(truth))
        return {"psnr": psnr, "gain": psnr - mean_psnr(blended, _merge(truth))}

    def _apply(self, params, keys, times) -> Interpolation:
        result: Any = self.model.apply({"params": params}, keys[:, 0], keys[:, 1], times)
        return result


def loss_terms(
    result: Interpolation,
    keys: Float[Array, "n 2 h w 3"],
    truth: Float[Array, "n t h w 3"],
    flows: Float[Array, "n 2 h w 2"],
    visible: Array,
) -> Metrics:
    """The terms of the interpolation loss, in the scale of the paper (section 3, authors' code).

    "image" and "gradient" are 127.5 times the mean difference of the frames between, "warp" 127.5
    times the sum of four L1 terms: the key frames warped onto each other by net A's flows, and onto
    the frames between by the refined flows (the paper warps true frames, by net A's flows alone).
    "smooth" is the mean difference of net A's flows, in pixels, so the paper's factor of 30 is in.
    The paper's terms of the two key frames are left out: the colour network is frozen, so they are
    constant. "flow" is the mean distance in pixels of net A's flows from the true ones where those
    hold.
    """
    frames, wanted = _merge(result.frames), _merge(truth)
    first, second = keys[:, 0], keys[:, 1]
    n, times = truth.shape[:2]
    repeat = lambda x: jnp.repeat(x, times, axis=0)  # noqa: E731
    warped = (
        losses.l1(warp(second, result.flow_01), first)
        + losses.l1(warp(first, result.flow_10), second)
        + losses.l1(warp(repeat(first), _merge(result.flow_t0)), wanted)
        + losses.l1(warp(repeat(second), _merge(result.flow_t1)), wanted)
    )
    error = jnp.stack([result.flow_01, result.flow_10], axis=1) - flows
    distance = jnp.sqrt(jnp.sum(jnp.square(error), axis=-1) + 1e-6)
    return {
        "image": 127.5 * losses.l1(frames, wanted),
        "gradient": 127.5 * losses.gradient_difference(frames, wanted),
        "warp": 127.5 * warped,
        "smooth": losses.flow_smoothness(result.flow_01) + losses.flow_smoothness(result.flow_10),
        "flow": jnp.sum(distance * visible) / jnp.maximum(jnp.sum(visible), 1),
    }


def _merge(x: Float[Array, "n t *rest"]) -> Float[Array, " m *rest"]:
    """Joins the first two axes."""
    return x.reshape(-1, *x.shape[2:])
