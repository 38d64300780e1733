"""Trains the dither classifier: cross-entropy of the kinds of `gifs.dithering.DITHER_KINDS`."""

from typing import Any

import jax
import jax.numpy as jnp
import ml_collections
import optax
from jaxtyping import Array, Float

from gif2video_jax.gifs.dither_planes import NUM_PLANES, SCALE
from gif2video_jax.models.dither_classifier import NUM_KINDS
from gif2video_jax.training.generator_task import GeneratorTask
from gif2video_jax.training.state import TrainState
from gif2video_jax.training.task import Batch, Metrics, array_shape

TERMS = ("cross_entropy",)
_SIDE = 16


class DitherTask(GeneratorTask):
    """Which kind of dither a patch has.

    A batch: planes int8 (n, h, w, 15), see `gifs.dither_planes`; kind int32 (n,), its number.
    """

    model_kind = "dither_classifier"
    terms_available = TERMS

    def __init__(self, config: ml_collections.ConfigDict):
        """Builds network and optimiser from a config that has been checked.

        Raises:
          ValueError: if the config asks for a discriminator.
        """
        adversarial = config.get("adversarial")
        if adversarial is not None and adversarial.kind != "none":
            raise ValueError("adversarial.kind: a classifier has no discriminator, expected none")
        super().__init__(config)

    def first_variables(self, key: jax.Array, batch: Batch) -> tuple[Any, Any, dict[str, Any]]:
        """See `GeneratorTask`."""
        variables = dict(self.model.init(key, batch["planes"]))
        return variables.pop("params"), variables, {}

    def generate(
        self, params: Any, model_state: Any, extra: Any, batch: Batch, *, train: bool
    ) -> tuple[Any, Any]:
        """See `GeneratorTask`; the result is logits (n, 3)."""
        del extra, train
        return self.model.apply({"params": params, **model_state}, batch["planes"]), model_state

    def terms(self, result: Any, batch: Batch) -> Metrics:
        """See `GeneratorTask`."""
        losses = optax.softmax_cross_entropy_with_integer_labels(result, batch["kind"])
        return {"cross_entropy": jnp.mean(losses)}

    def evaluate(self, state: TrainState, batch: Batch) -> Metrics:
        """The share of patches whose kind is told, and the cross-entropy."""
        logits, _ = self.generate(state.average, state.model_state, {}, batch, train=False)
        right = jnp.argmax(logits, axis=-1) == batch["kind"]
        return {"accuracy": jnp.mean(right, dtype=jnp.float32), **self.terms(logits, batch)}

    def pictures(self, state: TrainState, batch: Batch) -> dict[str, Float[Array, "n h w 3"]]:
        """The first three planes: amplified detail, which is what the network goes by."""
        del state
        return {"detail": batch["planes"][..., :3].astype(jnp.float32) / SCALE}

    def example_batch(self) -> dict[str, jax.ShapeDtypeStruct]:
        """See `Task`."""
        return {
            "planes": array_shape(NUM_KINDS, _SIDE, _SIDE, NUM_PLANES, dtype="int8"),
            "kind": array_shape(NUM_KINDS, dtype="int32"),
        }
