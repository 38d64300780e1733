"""Trains CCDNet-1, one step from a GIF frame to a clean frame (GIF2Video, section 3).

  loss = 100 L1 + 200 gradient difference + 1 adversarial      (the paper's weights)

with the weights of `config.losses` and, where there is a discriminator, of `config.adversarial`.
"""

from typing import Any, NamedTuple

import jax
from jaxtyping import Array, Float

from gif2video_jax.ops.image import to_float
from gif2video_jax.ops.palette import colors_at
from gif2video_jax.training import losses
from gif2video_jax.training.adversarial import Pair
from gif2video_jax.training.generator_task import Compared, GeneratorTask
from gif2video_jax.training.state import TrainState
from gif2video_jax.training.task import Batch, Metrics, array_shape

TERMS = ("l1", "gradient", "charbonnier", "log_squared")
_SIDE = 256  # of the example batch: enough for every size of network


class FrameInputs(NamedTuple):
    """A batch as the networks take it.

    Attributes:
      gif: the GIF frame in [-1, 1].
      geometry: palette geometry of each pixel, or None.
      truth: the true frame in [-1, 1].
    """

    gif: Float[Array, "n h w 3"]
    geometry: Float[Array, "n h w g"] | None
    truth: Float[Array, "n h w 3"]


def frame_inputs(batch: Batch, geometry_channels: int = 0) -> FrameInputs:
    """GIF frame, geometry and truth of a batch of frames."""
    gif = colors_at(to_float(batch["palette"]), batch["indices"])
    geometry = None
    if geometry_channels:
        table = batch["geometry"][..., :geometry_channels]
        geometry = colors_at(table, batch["indices"])
    return FrameInputs(gif, geometry, to_float(batch["truth"]))


def frame_terms(prediction: Float[Array, "n h w 3"], truth: Float[Array, "n h w 3"]) -> Metrics:
    """The reconstruction terms of a frame, see `TERMS`."""
    return {
        "l1": losses.l1(prediction, truth),
        "gradient": losses.gradient_difference(prediction, truth),
        "charbonnier": losses.charbonnier(prediction, truth),
        "log_squared": losses.log_squared(prediction, truth),
    }


def frame_pairs(
    gif: Float[Array, "n h w 3"], image: Float[Array, "n h w 3"], truth: Float[Array, "n h w 3"]
) -> tuple[Pair, Pair]:
    """The discriminator's fakes and real images."""
    return {"gif": gif, "image": image}, {"gif": gif, "image": truth}


class DequantizationTask(GeneratorTask):
    """CCDNet-1, the paper's or the bundled one, with or without a discriminator."""

    model_kind = "ccdnet1"
    terms_available = TERMS

    def first_variables(self, key: jax.Array, batch: Batch) -> tuple[Any, Any, dict[str, Any]]:
        """See `GeneratorTask`."""
        gif, geometry, _ = self._inputs(batch)
        variables = dict(self.model.init(key, gif, geometry))
        return variables.pop("params"), variables, {}

    def generate(
        self, params: Any, model_state: Any, extra: Any, batch: Batch, *, train: bool
    ) -> tuple[Any, Any]:
        """See `GeneratorTask`."""
        gif, geometry, _ = self._inputs(batch)
        variables = {"params": params, **model_state}
        if not train:
            return self.model.apply(variables, gif, geometry), model_state
        return self.model.apply(variables, gif, geometry, train=True, mutable=list(model_state))

    def terms(self, result: Any, batch: Batch) -> Metrics:
        """See `GeneratorTask`."""
        return frame_terms(result, self._inputs(batch).truth)

    def pairs(self, result: Any, batch: Batch) -> tuple[Pair, Pair]:
        """See `GeneratorTask`."""
        inputs = self._inputs(batch)
        return frame_pairs(inputs.gif, result, inputs.truth)

    def compared(self, state: TrainState, batch: Batch) -> Compared:
        """See `GeneratorTask`; the baseline is the GIF."""
        gif, _, truth = self._inputs(batch)
        prediction, _ = self.generate(
            state.average, state.model_state, state.extra, batch, train=False
        )
        return Compared(prediction, gif, truth)

    def example_batch(self) -> dict[str, jax.ShapeDtypeStruct]:
        """See `Task`."""
        return example_frames() | {"geometry": array_shape(1, 256, 12, dtype="float32")}

    def _inputs(self, batch: Batch) -> FrameInputs:
        return frame_inputs(batch, self.config.model.get("geometry_channels", 0))


def example_frames() -> dict[str, jax.ShapeDtypeStruct]:
    """The shapes of one example of GIF frames with their truth."""
    return {
        "truth": array_shape(1, _SIDE, _SIDE, 3),
        "indices": array_shape(1, _SIDE, _SIDE),
        "palette": array_shape(1, 256, 3),
        "num_colors": array_shape(1, dtype="int32"),
    }
