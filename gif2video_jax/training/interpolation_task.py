"""Trains SuperSlomo on rendered motion: the bundled interpolator's loss.

Frames and, where they are known, flows are supervised. The paper's own training, on GIF clips and
behind a frozen colour network, is `clip_interpolation_task`.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from gif2video_jax.models.superslomo import Interpolation
from gif2video_jax.ops.image import to_float
from gif2video_jax.ops.sums import total
from gif2video_jax.ops.warp import warp
from gif2video_jax.training import losses
from gif2video_jax.training.adversarial import Pair
from gif2video_jax.training.dequantization_task import frame_pairs
from gif2video_jax.training.generator_task import Compared, GeneratorTask
from gif2video_jax.training.state import TrainState
from gif2video_jax.training.task import Batch, Metrics, array_shape

_SIDE = 256


class InterpolationTask(GeneratorTask):
    """The terms of the paper's loss, each with a weight, and a supervised flow term beside them."""

    model_kind = "superslomo"
    terms_available = (
        "image",
        "gradient",
        "warp",
        "smooth",
        "flow",
        "flow_between",
        "visibility",
    )

    def first_variables(self, key: jax.Array, batch: Batch) -> tuple[Any, Any, dict[str, Any]]:
        """See `GeneratorTask`."""
        keys = to_float(batch["keys"])
        params = self.model.init(key, keys[:, 0], keys[:, 1], batch["times"])["params"]
        return params, {}, {}

    def generate(
        self, params: Any, model_state: Any, extra: Any, batch: Batch, *, train: bool
    ) -> tuple[Interpolation, Any]:
        """See `GeneratorTask`."""
        keys = to_float(batch["keys"])
        result: Any = self.model.apply({"params": params}, keys[:, 0], keys[:, 1], batch["times"])
        return result, model_state

    def terms(self, result: Any, batch: Batch) -> Metrics:
        """See `GeneratorTask`."""
        keys, truth = to_float(batch["keys"]), to_float(batch["truth"])
        between = between_terms(result, batch["flows_between"], batch["visible_between"])
        return loss_terms(result, keys, truth, batch["flows"], batch["visible"]) | between

    def pairs(self, result: Any, batch: Batch) -> tuple[Pair, Pair]:
        """See `GeneratorTask`: the frames between, each beside its nearest key frame."""
        keys = to_float(batch["keys"])
        is_first = (batch["times"] <= 0.5)[..., None, None, None]
        nearest = _merge(jnp.where(is_first, keys[:, :1], keys[:, 1:]))
        return frame_pairs(nearest, _merge(result.frames), _merge(to_float(batch["truth"])))

    def compared(self, state: TrainState, batch: Batch) -> Compared:
        """See `GeneratorTask`: frames between; the baseline blends the key frames."""
        keys = to_float(batch["keys"])
        result, _ = self.generate(state.average, {}, state.extra, batch, train=False)
        t = batch["times"][..., None, None, None]
        blended = _merge((1 - t) * keys[:, :1] + t * keys[:, 1:])
        return Compared(_merge(result.frames), blended, _merge(to_float(batch["truth"])))

    def example_batch(self) -> dict[str, jax.ShapeDtypeStruct]:
        """See `Task`."""
        return {
            "keys": array_shape(1, 2, _SIDE, _SIDE, 3),
            "truth": array_shape(1, 1, _SIDE, _SIDE, 3),
            "times": array_shape(1, 1, dtype="float32"),
        }


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
    return {
        "image": 127.5 * losses.l1(frames, wanted),
        "gradient": 127.5 * losses.gradient_difference(frames, wanted),
        "warp": 127.5 * warped,
        "smooth": losses.flow_smoothness(result.flow_01) + losses.flow_smoothness(result.flow_10),
        "flow": _distance(jnp.stack([result.flow_01, result.flow_10], axis=1), flows, visible),
    }


def between_terms(
    result: Interpolation, flows: Float[Array, "n t 2 h w 2"], visible: Bool[Array, "n t 2 h w"]
) -> Metrics:
    """What is known of rendered motion at the times between, beside the paper's terms.

    "flow_between" is the mean distance in pixels of the refined flows from the true ones where
    those hold, "visibility" the mean distance of V0 from 1 where a pixel is seen in frame 0 alone,
    and from 0 where it is seen in frame 1 alone.
    """
    found = jnp.stack([result.flow_t0, result.flow_t1], axis=2)
    first, second = visible[:, :, 0], visible[:, :, 1]
    alone = first != second
    error = jnp.abs(result.visibility[..., 0] - first)
    return {
        "flow_between": _distance(found, flows, visible),
        "visibility": total(error * alone) / jnp.maximum(jnp.sum(alone), 1),
    }


def _distance(
    found: Float[Array, "*n 2"], true: Float[Array, "*n 2"], visible: Bool[Array, "*n"]
) -> Float[Array, ""]:
    """The mean distance of vectors where the true ones hold."""
    distance = jnp.sqrt(jnp.sum(jnp.square(found - true), axis=-1) + 1e-6)
    return total(distance * visible) / jnp.maximum(jnp.sum(visible), 1)


def _merge(x: Float[Array, "n t *rest"]) -> Float[Array, " m *rest"]:
    """Joins the first two axes."""
    return x.reshape(-1, *x.shape[2:])
