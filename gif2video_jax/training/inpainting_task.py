"""Trains CombCN to complete videos.

After Wang, Huang, Han, Wang, "Video Inpainting by Jointly Learning Temporal Structure and Spatial
Details", AAAI 2019:

  loss = volume + 1 combined                                        (the paper's weights)

  volume    masked L1 of the 3DCN's small video: sum |mask (output - truth)| / sum mask
  combined  masked L1 of the 2D network: the mean over frames of each frame's own ratio

in 127.5 levels of [-1, 1], each colour counted with the mask. For the first `config.volume_steps`
steps the 3DCN trains alone, then both jointly; with `config.freeze_volume` the 2D network alone
then (an ablation of the paper). `config.frames_per_clip`: of how many frames of each clip, evenly
apart, the 2D network's loss is taken in a step; 0 takes all, as the paper.
"""

import copy
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import ml_collections
from jaxtyping import Array, Float, Int

from gif2video_jax.ops.fill import fill_smoothly
from gif2video_jax.ops.image import shrink, to_float
from gif2video_jax.ops.sums import total
from gif2video_jax.training.generator_task import GeneratorTask
from gif2video_jax.training.state import TrainState
from gif2video_jax.training.task import Batch, Metrics, array_shape

TERMS = ("volume", "combined")
_SIDE = 32  # of the example batch: enough for every ratio
_FRAMES = 4


class Terms(NamedTuple):
    """The loss's terms; the networks' outputs are not needed beyond them."""

    volume: Float[Array, ""]
    combined: Float[Array, ""]


class InpaintingTask(GeneratorTask):
    """CombCN, or its 2D network alone; see the head of this file."""

    model_kind = "combcn"
    terms_available = TERMS
    own_fields = {"volume_steps": True, "freeze_volume": True, "frames_per_clip": True}

    def __init__(self, config: ml_collections.ConfigDict):
        """Builds network and optimiser from a config that has been checked.

        Raises:
          ValueError: if the config asks for what a network without guidance does not have.
        """
        adversarial = config.get("adversarial")
        if adversarial is not None and adversarial.kind != "none":
            raise ValueError("adversarial.kind: inpainting has no discriminator, expected none")
        super().__init__(config)
        if min(config.volume_steps, config.frames_per_clip) < 0:
            raise ValueError("volume_steps and frames_per_clip: expected 0 or more")
        if not self.model.guidance and (
            config.volume_steps or config.freeze_volume or config.losses.get("volume", 0.0)
        ):
            raise ValueError(
                "model.guidance: without a 3DCN expected volume_steps 0, freeze_volume False and "
                "no loss volume"
            )
        self.volume_alone = config.volume_steps > 0

    def first_variables(self, key: jax.Array, batch: Batch) -> tuple[Any, Any, dict[str, Any]]:
        """See `GeneratorTask`; `extra` counts the steps for `generate`."""
        video, mask = _inputs(batch)
        # Nothing but shapes counts here, and the smallest compiles fastest.
        side = slice(0, self.model.multiple)
        least = (slice(0, 1), slice(0, self.model.time_multiple), side, side)
        variables = dict(self.model.init(key, video[least], mask[least]))
        extra = {"step": jnp.zeros((), jnp.int32)}
        return variables.pop("params"), variables, extra

    def at(self, step: int) -> "InpaintingTask":
        """See `Task`: the 3DCN's own steps are another function, not a branch of one.

        In a branch XLA has but slow convolutions on a CPU, and compiles those of both stages.
        """
        if self.volume_alone == (step < self.config.volume_steps):
            return self
        other = copy.copy(self)
        other.volume_alone = not self.volume_alone
        return other

    def step(self, state: TrainState, batch: Batch) -> tuple[TrainState, Metrics]:
        """See `Task`; a network whose turn it is not stays as it is, weight decay or not."""
        extra = {**state.extra, "step": jnp.copy(state.step)}
        new, metrics = super().step(state.replace(extra=extra), batch)
        if self.volume_alone:
            resting = "frame"
        elif self.config.freeze_volume:
            resting = "volume"
        else:
            return new, metrics
        params = {**new.params, resting: state.params[resting]}
        average = {**new.average, resting: state.average[resting]}
        return new.replace(params=params, average=average), metrics

    def generate(
        self, params: Any, model_state: Any, extra: Any, batch: Batch, *, train: bool
    ) -> tuple[Any, Any]:
        """See `GeneratorTask`; in training the results are `Terms`, else a `Completion`."""
        video, mask = _inputs(batch)
        filled = _filled(batch)
        variables = {"params": params, **model_state}
        if not train:
            return self.model.apply(variables, video, mask, filled=filled), model_state
        if self.volume_alone:
            return self._train_volume(variables, video, mask, filled)
        return self._train_both(variables, video, mask, filled, extra["step"])

    def terms(self, result: Any, batch: Batch) -> Metrics:
        """See `GeneratorTask`."""
        del batch
        return result._asdict()

    def evaluate(self, state: TrainState, batch: Batch) -> Metrics:
        """Masked L1 in levels of 0 to 255: of the network, and how far below a smooth fill's."""
        video, mask = _inputs(batch)
        result, _ = self.generate(state.average, state.model_state, state.extra, batch, train=False)
        frames = jnp.clip(result.frames, -1, 1)
        smooth = _smooth(video, mask)
        l1 = 127.5 * frame_masked_l1(frames, video, mask)
        metrics = {"l1": l1, "gain": 127.5 * frame_masked_l1(smooth, video, mask) - l1}
        if video.shape[1] > 1:
            # Steps between frames, where both have a hole: what flickers.
            both = mask[:, 1:] * mask[:, :-1]
            changes = frame_masked_l1(jnp.diff(frames, axis=1), jnp.diff(video, axis=1), both)
            metrics["flicker"] = 127.5 * changes
        if result.volume is not None:
            truth = shrink(video, video.shape[2] // result.volume.shape[2])
            metrics["volume_l1"] = 127.5 * masked_l1(result.volume, truth, result.small_mask)
        return metrics

    def pictures(self, state: TrainState, batch: Batch) -> dict[str, Float[Array, "n h w 3"]]:
        """The middle frame of each clip: with its hole, filled smoothly, completed, and true."""
        video, mask = _inputs(batch)
        result, _ = self.generate(state.average, state.model_state, state.extra, batch, train=False)
        middle = video.shape[1] // 2
        shown = {
            "hole": video * (1 - mask),
            "smooth": _smooth(video, mask),
            "prediction": video + mask * (result.frames - video),
            "truth": video,
        }
        return {name: jnp.clip(images[:, middle], -1, 1) for name, images in shown.items()}

    def example_batch(self) -> dict[str, jax.ShapeDtypeStruct]:
        """See `Task`."""
        return {
            "truth": array_shape(1, _FRAMES, _SIDE, _SIDE, 3),
            "mask": array_shape(1, _FRAMES, _SIDE, _SIDE, dtype="bool"),
        }

    def _train_volume(self, variables, video, mask, filled):
        result, after = self.model.apply(
            variables,
            video,
            mask,
            train=True,
            filled=filled,
            method="complete_volume",
            mutable=_names(variables),
        )
        return Terms(self._volume_term(result, video), jnp.zeros(())), after

    def _train_both(self, variables, video, mask, filled, step):
        frozen = self.config.freeze_volume
        if frozen:
            params = variables["params"]
            volume = jax.lax.stop_gradient(params["volume"])
            variables = {**variables, "params": {**params, "volume": volume}}
        frames = self._chosen_frames(step, video.shape[1])
        result, after = self.model.apply(
            variables,
            video,
            mask,
            train=True,
            frames=frames,
            train_volume=not frozen,
            filled=filled,
            mutable=_names(variables),
        )
        volume = jnp.zeros(())
        if result.volume is not None:
            volume = self._volume_term(result, video)
        if frames is not None:
            video, mask = video[:, frames], mask[:, frames]
        return Terms(volume, 127.5 * frame_masked_l1(result.frames, video, mask)), after

    def _volume_term(self, result, video):
        truth = shrink(video, video.shape[2] // result.volume.shape[2])
        return 127.5 * masked_l1(result.volume, truth, result.small_mask)

    def _chosen_frames(self, step, num_frames: int) -> Int[Array, " k"] | None:
        """Frames evenly apart from a random one on; None for all."""
        count = self.config.frames_per_clip
        if not count or count >= num_frames:
            return None
        apart = num_frames // count
        key = jax.random.fold_in(jax.random.key(self.config.seed), step)
        first = jax.random.randint(key, (), 0, num_frames - apart * (count - 1))
        return first + apart * jnp.arange(count)


def masked_l1(
    output: Float[Array, "n t h w 3"],
    truth: Float[Array, "n t h w 3"],
    mask: Float[Array, "n t h w 1"],
) -> Float[Array, ""]:
    """`sum |mask (output - truth)| / sum mask` of each video, the mask counted for each colour."""
    return _ratio(output, truth, mask, num_kept=1)


def frame_masked_l1(
    output: Float[Array, "n t h w 3"],
    truth: Float[Array, "n t h w 3"],
    mask: Float[Array, "n t h w 1"],
) -> Float[Array, ""]:
    """The mean over frames of each frame's own masked L1; a frame without a hole counts as 0."""
    return _ratio(output, truth, mask, num_kept=2)


def _ratio(output, truth, mask, num_kept: int) -> Float[Array, ""]:
    error = total(jnp.abs(output - truth) * mask, num_kept)
    return jnp.mean(error / jnp.maximum(3 * total(mask, num_kept), 1))


def _inputs(batch: Batch) -> tuple[Float[Array, "n t h w 3"], Float[Array, "n t h w 1"]]:
    """The true video, and 1 in its holes."""
    return to_float(batch["truth"]), batch["mask"].astype(jnp.float32)[..., None]


def _filled(batch: Batch) -> Float[Array, "n t h w 4"] | None:
    """What was made of the holes before, if anything, see `CombCN.fill_holes`."""
    if "filled" not in batch:
        return None
    seen = batch["seen"].astype(jnp.float32)[..., None] / 255
    return jnp.concatenate([to_float(batch["filled"]), seen], axis=-1)


def _names(variables) -> list[str]:
    return [name for name in variables if name != "params"]


def _smooth(video, mask):
    n, t = video.shape[:2]
    flat = [x.reshape(n * t, *x.shape[2:]) for x in (video, 1 - mask)]
    return fill_smoothly(*flat).reshape(video.shape)
