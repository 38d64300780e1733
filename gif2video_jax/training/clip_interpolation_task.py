"""Trains SuperSlomo on GIF clips, as the paper does (GIF2Video, section 4).

Key frames are the first and the last of T + 1 frames, as a GIF shows them. A frozen colour network
restores them (`config.base`; kind "" leaves them as they are). `config.mode`: in "joint" mode flow
net A sees the GIF's key frames, in "sequential" mode the restored ones.

  loss = adversarial + 0.5 image + 0.5 gradient + 0.5 warp + 1 smooth        (the paper's weights)

  image     127.5 (L1(I0) + L1(I1) + mean L1 over all It)
  gradient  the same with gradient differences
  warp      127.5 times the sum of four L1 terms of true frames, warped by net A's flows: I1 to I0,
            I0 to I1, I1 to each It and I0 to each It
  smooth    mean |diff_xy| of F01 plus that of F10, in pixels: the paper's factor of 30 is its
            largest flow

Outlier rule: a step whose warp term is at or over a threshold is left out; after each epoch the
threshold becomes 1.5 times the epoch's mean warp term (decided here: of all steps, those left out
included).

The discriminator sees the frames between. Decided here, as no source tells: their condition is the
nearest key frame of the GIF, as in the evaluation's baseline (t <= 0.5 takes the first).
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import ml_collections
from jaxtyping import Array, Bool, Float

from gif2video_jax.errors import InputError
from gif2video_jax.models.build import build_model
from gif2video_jax.models.superslomo import Interpolation, flows_at
from gif2video_jax.ops.image import to_float
from gif2video_jax.ops.palette import colors_at
from gif2video_jax.ops.warp import warp
from gif2video_jax.training import losses
from gif2video_jax.training.adversarial import Pair
from gif2video_jax.training.dequantization_task import frame_pairs
from gif2video_jax.training.generator_task import Compared, GeneratorTask
from gif2video_jax.training.pretrained_networks import load_base, placed_like
from gif2video_jax.training.state import TrainState
from gif2video_jax.training.task import Batch, Metrics, array_shape

MODES = ("joint", "sequential")
BASES = ("", "ccdnet1", "ccdnet")
TERMS = ("image", "gradient", "warp", "smooth")
THRESHOLD_FACTOR = 1.5
_SIDE = 256


class ClipResult(NamedTuple):
    """What the networks make of a clip.

    Attributes:
      keys: both restored key frames, in [-1, 1].
      interpolation: what SuperSlomo found.
    """

    keys: Float[Array, "n 2 h w 3"]
    interpolation: Interpolation


class ClipInterpolationTask(GeneratorTask):
    """SuperSlomo after a frozen colour network; see the head of this file."""

    model_kind = "superslomo"
    terms_available = TERMS
    own_fields = {
        "mode": True,
        "base": True,
        "base.kind": True,
        "base.fields": True,
        "base.weights": True,
        "base.workdir": True,
        "outliers": True,
        "outliers.threshold": True,
        "outliers.steps_per_epoch": True,
    }

    def __init__(self, config: ml_collections.ConfigDict):
        """Builds the networks.

        Raises:
          ValueError: on an unknown mode or kind of base.
        """
        super().__init__(config)
        for name, value, choices in (
            ("mode", config.mode, MODES),
            ("base.kind", config.base.kind, BASES),
        ):
            if value not in choices:
                raise ValueError(f"{name}: expected one of {', '.join(choices)}, got {value!r}")
        self.base: Any = None
        if config.base.kind:
            fields = config.base.fields.to_dict()
            if fields.get("geometry_channels"):
                raise ValueError("base.fields: a network that reads palette geometry cannot be one")
            self.base = build_model(config.base.kind, fields)

    def first_variables(self, key: jax.Array, batch: Batch) -> tuple[Any, Any, dict[str, Any]]:
        """See `GeneratorTask`."""
        key, base_key = jax.random.split(key)
        extra: dict[str, Any] = {}
        if self.base:
            extra["base"] = dict(self.base.init(base_key, *self._base_inputs(batch, 0)))
        if self.config.outliers.threshold:
            threshold = jnp.asarray(self.config.outliers.threshold, jnp.float32)
            extra["outliers"] = {"threshold": threshold, "epoch_sum": jnp.zeros(())}
        keys = to_float(batch["truth"][:, ::-1][:, :2])  # any two frames: only shapes matter
        params = self.model.init(key, keys[:, 0], keys[:, 1], batch["times"])["params"]
        return params, {}, extra

    def load_pretrained(self, state: TrainState) -> TrainState:
        """See `Task`: the frozen colour network."""
        state = super().load_pretrained(state)
        if not self.base:
            if self.config.base.weights or self.config.base.workdir:
                raise InputError("config.base: names a network, but kind is ''; say which kind")
            return state
        base = self.config.base
        loaded = load_base(base, base.kind, base.fields.to_dict())
        placed = placed_like(loaded, state.extra["base"])
        return state.replace(extra={**state.extra, "base": placed})

    def generate(
        self, params: Any, model_state: Any, extra: Any, batch: Batch, *, train: bool
    ) -> tuple[ClipResult, Any]:
        """See `GeneratorTask`."""
        gifs, restored = self.key_frames(extra, batch)
        flow_inputs = tuple(gifs) if self.config.mode == "joint" else (None, None)
        found: Any = self.model.apply({"params": params}, *restored, batch["times"], *flow_inputs)
        return ClipResult(jnp.stack(restored, axis=1), found), model_state

    def terms(self, result: Any, batch: Batch) -> Metrics:
        """See `GeneratorTask`."""
        return clip_terms(result, to_float(batch["truth"]), batch["times"])

    def pairs(self, result: Any, batch: Batch) -> tuple[Pair, Pair]:
        """See `GeneratorTask`: all frames between, each beside its nearest key frame."""
        truth = _merge(to_float(batch["truth"])[:, 1:-1])
        return frame_pairs(self._nearest_keys(batch), _merge(result.interpolation.frames), truth)

    def may_step(self, state: TrainState, terms: Metrics) -> tuple[Bool[Array, ""], dict[str, Any]]:
        """The outlier rule."""
        if "outliers" not in state.extra:
            return jnp.array(True), {}
        after = next_threshold(
            state.extra["outliers"],
            terms["warp"],
            state.step,
            self.config.outliers.steps_per_epoch,
        )
        return terms["warp"] < state.extra["outliers"]["threshold"], {"outliers": after}

    def compared(self, state: TrainState, batch: Batch) -> Compared:
        """See `GeneratorTask`: frames between; the baseline is the GIF's nearest key frame."""
        baseline, restored = self.clips(state, batch)
        truth = to_float(batch["truth"])
        return Compared(*(_merge(clip[:, 1:-1]) for clip in (restored, baseline, truth)))

    def clips(
        self, state: TrainState, batch: Batch
    ) -> tuple[Float[Array, "n t h w 3"], Float[Array, "n t h w 3"]]:
        """Whole clips with both ends: as a viewer sees the GIF, and as the networks restore it."""
        gifs, _ = self.key_frames(state.extra, batch)
        result, _ = self.generate(state.average, {}, state.extra, batch, train=False)
        nearest = self._nearest_keys(batch)
        between = result.interpolation.frames
        clips = [
            (gifs[0], nearest.reshape(between.shape), gifs[1]),
            (result.keys[:, 0], between, result.keys[:, 1]),
        ]
        return tuple(  # type: ignore[return-value]
            jnp.concatenate([first[:, None], middle, last[:, None]], axis=1)
            for first, middle, last in clips
        )

    def key_frames(self, extra: Any, batch: Batch) -> tuple[list[Any], list[Any]]:
        """Both key frames (n, h, w, 3): of the GIF, and restored by the frozen network."""
        inputs = [self._base_inputs(batch, key) for key in range(2)]
        gifs = [found[0] for found in inputs]
        if not self.base:
            return gifs, gifs
        variables = jax.lax.stop_gradient(extra["base"])
        restored = [self.base.apply(variables, *found) for found in inputs]
        restored = [frame[-1] if isinstance(frame, list) else frame for frame in restored]
        return gifs, jax.lax.stop_gradient(restored)

    def example_batch(self) -> dict[str, jax.ShapeDtypeStruct]:
        """See `Task`."""
        return {
            "truth": array_shape(1, 3, _SIDE, _SIDE, 3),
            "indices": array_shape(1, 2, _SIDE, _SIDE),
            "palette": array_shape(1, 2, 256, 3),
            "num_colors": array_shape(1, 2, dtype="int32"),
            "times": array_shape(1, 1, dtype="float32"),
        }

    def _base_inputs(self, batch: Batch, key: int) -> tuple[Any, ...]:
        """A key frame of the GIF, and for CCDNet-k its palette."""
        palette = batch["palette"][:, key]
        gif = colors_at(to_float(palette), batch["indices"][:, key])
        if self.config.base.kind != "ccdnet":
            return (gif,)
        return gif, palette, batch["num_colors"][:, key]

    def _nearest_keys(self, batch: Batch) -> Float[Array, "m h w 3"]:
        """For each frame between, the GIF's key frame that a viewer sees."""
        first, second = (self._base_inputs(batch, key)[0][:, None] for key in range(2))
        is_first = (batch["times"] <= 0.5)[..., None, None, None]
        return _merge(jnp.where(is_first, first, second))


def clip_terms(
    result: ClipResult, truth: Float[Array, "n t_plus_2 h w 3"], times: Float[Array, "n t"]
) -> Metrics:
    """The terms of the paper's loss, see the head of this file; `truth` has both end frames."""
    found = result.interpolation
    first, between, last = truth[:, 0], truth[:, 1:-1], truth[:, -1]
    compared = (
        (result.keys[:, 0], first),
        (result.keys[:, 1], last),
        (_merge(found.frames), _merge(between)),
    )
    num_times = times.shape[1]

    def repeat(x):
        return jnp.repeat(x, num_times, axis=0)

    flow_t0, flow_t1 = flows_at(
        repeat(found.flow_01), repeat(found.flow_10), times.reshape(-1, 1, 1, 1)
    )
    warped = (
        losses.l1(warp(last, found.flow_01), first)
        + losses.l1(warp(first, found.flow_10), last)
        + losses.l1(warp(repeat(last), flow_t1), _merge(between))
        + losses.l1(warp(repeat(first), flow_t0), _merge(between))
    )
    image: Any = sum(losses.l1(ours, true) for ours, true in compared)
    gradient: Any = sum(losses.gradient_difference(ours, true) for ours, true in compared)
    return {
        "image": 127.5 * image,
        "gradient": 127.5 * gradient,
        "warp": 127.5 * warped,
        "smooth": losses.flow_smoothness(found.flow_01) + losses.flow_smoothness(found.flow_10),
    }


def next_threshold(
    outliers: dict[str, Array], warp_term: Float[Array, ""], step: Any, steps_per_epoch: int
) -> dict[str, Array]:
    """The threshold after a step: at the end of an epoch, 1.5 times the mean of its warp terms."""
    total = outliers["epoch_sum"] + warp_term
    ends = (step + 1) % steps_per_epoch == 0
    return {
        "threshold": jnp.where(
            ends, THRESHOLD_FACTOR * total / steps_per_epoch, outliers["threshold"]
        ),
        "epoch_sum": jnp.where(ends, 0.0, total),
    }


def _merge(x: Float[Array, "n t *rest"]) -> Float[Array, " m *rest"]:
    """Joins the first two axes."""
    return x.reshape(-1, *x.shape[2:])
