"""Trains CCDNet-k's second network on a frozen CCDNet-1 (GIF2Video, section 3).

The reconstruction terms are averaged over the unrolled results; the adversarial term sees only the
last one. `config.model` holds the fields of `CCDNet`: `unroll`, `requantize` and the U-Net of both
networks; `config.base` says where the frozen network is from (`pretrained_networks`).
"""

from typing import Any

import jax

from gif2video_jax.training.adversarial import Pair
from gif2video_jax.training.dequantization_task import (
    TERMS,
    example_frames,
    frame_inputs,
    frame_pairs,
    frame_terms,
)
from gif2video_jax.training.generator_task import Compared, GeneratorTask
from gif2video_jax.training.pretrained_networks import load_base, placed_like
from gif2video_jax.training.state import TrainState
from gif2video_jax.training.task import Batch, Metrics

_FROZEN = "base"


class RefinementTask(GeneratorTask):
    """CCDNet-k: the second network is trained, the first one is kept as it is.

    The state's `params` and `model_state` are the second network's; `extra["base"]` holds the
    variables of the first.
    """

    model_kind = "ccdnet"
    terms_available = TERMS
    own_fields = {"base": True, "base.weights": True, "base.workdir": True}

    def first_variables(self, key: jax.Array, batch: Batch) -> tuple[Any, Any, dict[str, Any]]:
        """See `GeneratorTask`."""
        gif = frame_inputs(batch).gif
        variables = self.model.init(key, gif, batch["palette"], batch["num_colors"])
        ours, base = {}, {}
        for collection, networks in variables.items():
            base[collection] = networks[_FROZEN]
            ours[collection] = {k: v for k, v in networks.items() if k != _FROZEN}
        return ours.pop("params"), ours, {_FROZEN: base}

    def load_pretrained(self, state: TrainState) -> TrainState:
        """See `Task`: the base."""
        state = super().load_pretrained(state)
        fields = {"unet": self.config.model.unet.to_dict()}
        loaded = load_base(self.config.base, "ccdnet1", fields)
        placed = placed_like(loaded, state.extra[_FROZEN])
        return state.replace(extra={**state.extra, _FROZEN: placed})

    def generate(
        self, params: Any, model_state: Any, extra: Any, batch: Batch, *, train: bool
    ) -> tuple[Any, Any]:
        """See `GeneratorTask`; the results of all unrolled steps."""
        arguments = (frame_inputs(batch).gif, batch["palette"], batch["num_colors"])
        variables = self._all({"params": params, **model_state}, extra[_FROZEN])
        if not train:
            return self.model.apply(variables, *arguments), model_state
        results, updated = self.model.apply(
            variables, *arguments, train=True, mutable=list(model_state)
        )
        after = {
            collection: {k: v for k, v in networks.items() if k != _FROZEN}
            for collection, networks in updated.items()
        }
        return results, after

    def terms(self, result: Any, batch: Batch) -> Metrics:
        """See `GeneratorTask`: means over the unrolled results."""
        truth = frame_inputs(batch).truth
        each = [frame_terms(image, truth) for image in result]
        return jax.tree.map(lambda *values: sum(values) / len(values), *each)

    def pairs(self, result: Any, batch: Batch) -> tuple[Pair, Pair]:
        """See `GeneratorTask`: of the last result."""
        inputs = frame_inputs(batch)
        return frame_pairs(inputs.gif, result[-1], inputs.truth)

    def compared(self, state: TrainState, batch: Batch) -> Compared:
        """See `GeneratorTask`: the last result; the baseline is the GIF."""
        inputs = frame_inputs(batch)
        results, _ = self.generate(
            state.average, state.model_state, state.extra, batch, train=False
        )
        return Compared(results[-1], inputs.gif, inputs.truth)

    def variables(self, state: TrainState) -> dict[str, Any]:
        """See `Task`."""
        return self._all({"params": state.average, **state.model_state}, state.extra[_FROZEN])

    def example_batch(self) -> dict[str, jax.ShapeDtypeStruct]:
        """See `Task`."""
        return example_frames()

    def _all(self, ours: dict[str, Any], base: Any) -> dict[str, Any]:
        """The variables of both networks as the module takes them."""
        frozen = jax.tree.map(jax.lax.stop_gradient, base)
        return {name: {**ours.get(name, {}), _FROZEN: frozen[name]} for name in frozen}
