"""Frames between two frames, at any time, through an interpolating network."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Shaped, UInt8

from gif2video_jax.models.superslomo import SuperSlomo, fuse
from gif2video_jax.models.unet import UNet
from gif2video_jax.ops.compiling import convolution_options
from gif2video_jax.ops.image import to_float, to_uint8
from gif2video_jax.ops.warp import warp
from gif2video_jax.pretrained import Network
from gif2video_jax.restoring.compilation import StoredFunction
from gif2video_jax.restoring.dequantize import difference_box
from gif2video_jax.restoring.tiling import Box, pad_to, round_up

_BUCKET = 64


@dataclasses.dataclass(frozen=True, eq=False)
class PairFlows:
    """The motion between two frames, (dx, dy) in pixels.

    Attributes:
      forward: from the first to the second: `warp(second, forward)` looks like the first.
      backward: the other way round.
    """

    forward: Float[np.ndarray, "h w 2"]
    backward: Float[np.ndarray, "h w 2"]


def _upsampling(unet: Mapping[str, Any]) -> str:
    return UNet(out_channels=2, **unet).upsampling


class Interpolator:
    """The frame at any time between two frames; flows are found once for each pair.

    Whole frames go through the network, so that motion may be as long as the network can express;
    parts of the frame in which the two frames are equal are left out where that pays.
    """

    def __init__(self, network: Network):
        """Binds a SuperSlomo network with its weights."""
        module = network.module
        if not isinstance(module, SuperSlomo):
            raise ValueError(f"network: expected a SuperSlomo, got {type(module).__name__}")
        self._module: Any = module
        self._variables = jax.device_put(network.variables)
        # A network that aligns corners depends on the whole size: no more padding than it needs.
        aligned = module.unet is not None and _upsampling(module.unet) == "bilinear_aligned"
        self._step = module.multiple if aligned else round_up(_BUCKET, module.multiple)
        self._may_crop = not aligned
        self._margin = round_up(int(module.max_flow), 16) + 32
        options = convolution_options()
        self._flows = StoredFunction(self._find_flows, f"flows {module!r}", options)
        self._between = StoredFunction(self._interpolate, f"between {module!r}", options)

    def flows(
        self,
        frame_0: UInt8[np.ndarray, "h w c"],
        frame_1: UInt8[np.ndarray, "h w c"],
        gifs: tuple[UInt8[np.ndarray, "h w 3"], UInt8[np.ndarray, "h w 3"]] | None = None,
    ) -> PairFlows:
        """The motion between two frames; none far from where they differ.

        Args:
          frame_0: RGB or RGBA, [0, 255].
          frame_1: likewise.
          gifs: the raw GIF frames, for a network trained in the paper's joint mode; None finds the
            flows on the frames themselves (sequential mode).
        """
        height, width = frame_0.shape[:2]
        forward = np.zeros((height, width, 2), np.float32)
        backward = np.zeros((height, width, 2), np.float32)
        changed = difference_box(frame_0, frame_1)
        if changed is not None:
            box = self.work_box(changed, height, width)
            seen = (frame_0, frame_1) if gifs is None else gifs
            inputs = [self.padded(frame[..., :3], box)[None] for frame in seen]
            for whole, part in zip(
                (forward, backward), self._flows(self._variables, *inputs), strict=True
            ):
                whole[box.slices] = np.asarray(part)[0, : box.height, : box.width]
        return PairFlows(forward, backward)

    def between(
        self,
        frame_0: UInt8[np.ndarray, "h w c"],
        frame_1: UInt8[np.ndarray, "h w c"],
        times: list[float],
        gifs: tuple[UInt8[np.ndarray, "h w 3"], UInt8[np.ndarray, "h w 3"]] | None = None,
        *,
        flows: PairFlows | None = None,
    ) -> list[UInt8[np.ndarray, "h w c"]]:
        """Interpolates.

        Args:
          frame_0: RGB or RGBA, [0, 255]; alpha moves as colours do.
          frame_1: likewise.
          times: each in (0, 1).
          gifs: see `flows`.
          flows: the motion, if it is known.

        Returns:
          One frame for each time.
        """
        changed = difference_box(frame_0, frame_1)
        if changed is None or not times:
            return [frame_0] * len(times)
        if flows is None:
            flows = self.flows(frame_0, frame_1, gifs)
        box = self.work_box(changed, *frame_0.shape[:2])
        inputs = [
            self.padded(array, box)[None]
            for array in (frame_0, frame_1, flows.forward, flows.backward)
        ]
        results = []
        for t in times:
            value = np.asarray(self._between(self._variables, *inputs, np.float32(t)))
            frame = np.array(frame_0)
            frame[box.slices] = value[0, : box.height, : box.width]
            results.append(frame)
        return results

    def padded(self, array: Shaped[np.ndarray, "h w c"], box: Box) -> Shaped[np.ndarray, "h2 w2 c"]:
        """A part of a frame, its bottom and right edge repeated up to a size that is compiled."""
        size = (round_up(box.height, self._step), round_up(box.width, self._step))
        return pad_to(array[box.slices], *size)

    def work_box(self, changed: Box, height: int, width: int) -> Box:
        """The changed part and what may move into it, or the whole frame if that is not less."""
        whole = Box(0, 0, height, width)
        if not self._may_crop:
            return whole
        wanted = changed.grown(self._margin, height, width)
        # One size beside the whole frame's, half of each side: each takes seconds to compile, and
        # tens of megabytes once it is loaded.
        tall = min(height, round_up(-(-height // 2), self._step))
        wide = min(width, round_up(-(-width // 2), self._step))
        if wanted.height > tall or wanted.width > wide or tall * wide > 0.6 * height * width:
            return whole
        top, left = min(wanted.top, height - tall), min(wanted.left, width - wide)
        return Box(top, left, top + tall, left + wide)

    def _find_flows(self, variables, image_0, image_1):
        return self._module.apply(variables, to_float(image_0), to_float(image_1), method="flows")

    def _interpolate(self, variables, image_0, image_1, flow_01, flow_10, t):
        colors_0, colors_1 = to_float(image_0), to_float(image_1)
        times = jnp.full((1, 1), t)
        module = self._module
        if image_0.shape[-1] == 4:  # a blur would mix in colours that alpha hides
            module = module.clone(agreeing_bands=0)
        result = module.apply(
            variables,
            colors_0[..., :3],
            colors_1[..., :3],
            flow_01,
            flow_10,
            times,
            method="between",
        )
        frame = result.frames[:, 0]
        if image_0.shape[-1] == 4:
            alpha = fuse(
                warp(colors_0[..., 3:], result.flow_t0[:, 0]),
                warp(colors_1[..., 3:], result.flow_t1[:, 0]),
                result.visibility[:, 0],
                jnp.full((1, 1, 1, 1), t),
            )
            frame = jnp.concatenate([frame, alpha], axis=-1)
        return to_uint8(frame)
