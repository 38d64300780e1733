"""CombCN: video inpainting by a coarse volume that guides a fine network for each frame.

After Wang, Huang, Han, Wang, "Video Inpainting by Jointly Learning Temporal Structure and Spatial
Details", AAAI 2019 (arXiv 1806.08482). Stages:

  1. Fill: hole pixels take the training set's mean colour (the paper's), or a guess from what is
     around them (`fill`).
  2. 3DCN (`VolumeNetwork`): completes all frames at 1/`ratio` of the size as one volume.
  3. 2D network (`FrameNetwork`): completes each frame at full size. The 3DCN's frame goes through
     two convolutions, whose results are added to the first and to the last layer of its size. With
     `guidance=False` this is all of it: the paper's 2D baseline.

Videos are (n, t, h, w, 3) RGB in [-1, 1]; masks (n, t, h, w, 1) hold 1 in holes. Height and width
are multiples of `CombCN.multiple`, frames of `CombCN.time_multiple` (1 unless time is strided).
Known pixels of the result are not those of the input: whoever shows it copies them.

The layers' tables and figure 2 give kernels, strides, channels and skips. Skips concatenate, and
guidance is added before that. The paper says of time neither the kernel's size (here that of space;
3 in the transposed layers, so that the number of frames stays) nor, of guidance, the kernel (3).
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from gif2video_jax.models.frame_network import LAST_OF_RATIO, FrameNetwork
from gif2video_jax.models.volume_network import VolumeNetwork
from gif2video_jax.ops.fill import fill_from_other_frames, fill_smoothly
from gif2video_jax.ops.image import resize_bilinear, shrink
from gif2video_jax.ops.line_fill import fill_along_lines
from gif2video_jax.ops.motion_fill import fill_along_motion

NORMS = ("batch", "none")
FILLS = ("mean", "smooth", "lines", "video", "motion")
# Those that also tell the networks where a hole was not filled from other frames.
_TELLING = ("lines", "video", "motion")
COMPOSITIONS = ("direct", "residual")


class Completion(NamedTuple):
    """What CombCN makes of a video.

    Attributes:
      frames: completed at full size by the 2D network, (n, k, h, w, 3): all, or those asked for.
      volume: completed by the 3DCN, (n, t, h/ratio, w/ratio, 3); None without guidance.
      small_mask: 1 where a pixel of `volume` touches a hole; None without guidance.
    """

    frames: Float[Array, "n k h w 3"]
    volume: Float[Array, "n t h2 w2 3"] | None
    small_mask: Float[Array, "n t h2 w2 1"] | None


class CombCN(nn.Module):
    """Both networks; see the head of this file. The defaults are the paper's.

    Attributes:
      base_channels: of the 2D network's first layer.
      volume_channels: of the 3DCN's first layer.
      dilations: of the 2D network's layers 7 to 10; for a network that is trained on smaller
        images than the paper's 128 pixels smaller ones, or their outer weights never see anything.
      volume_dilations: of the 3DCN's layers 5 to 7.
      ratio: of the full size to the 3DCN's; 2 (the paper's) or 4.
      guidance: whether there is a 3DCN.
      stride_time: see `VolumeNetwork`.
      fill: what the networks see in holes: "mean" (`mean_color`, the paper's), "smooth" (a smooth
        continuation of what is around), "lines" (what lines through each frame by itself meet, see
        `ops.line_fill`), "video" (what other frames show at that place, else smooth), or "motion"
        (along the motion too, as far as frames agree, else what lines meet, see
        `ops.motion_fill`). With the last three the networks also see where no other frame tells
        anything, a fifth channel.
      mean_color: RGB in [-1, 1].
      composition: "direct" (the paper's), or "residual": the networks' outputs are added to the
        fill, and the 2D network's to what the 3DCN added, too; a network of few parameters starts
        close to a sensible answer.
      norm: see `Layer`.
      negative_slope: see `Layer`.
      residual_layers: see `Layer.residual`.
      dtype: of the arithmetic, or its name.
    """

    base_channels: int = 64
    volume_channels: int = 16
    dilations: Sequence[int] = (2, 4, 8, 16)
    volume_dilations: Sequence[int] = (2, 4, 8)
    ratio: int = 2
    guidance: bool = True
    stride_time: bool = False
    fill: str = "mean"
    mean_color: Sequence[float] = (0.0, 0.0, 0.0)
    composition: str = "direct"
    norm: str = "batch"
    negative_slope: float = 0.0
    residual_layers: bool = False
    dtype: Any = None

    def __post_init__(self):
        """Rejects fields that are not to be had."""
        super().__post_init__()
        for name, choices in (("norm", NORMS), ("fill", FILLS), ("composition", COMPOSITIONS)):
            if getattr(self, name) not in choices:
                raise ValueError(
                    f"{name}: expected one of {', '.join(choices)}, got {getattr(self, name)!r}"
                )
        if self.ratio not in LAST_OF_RATIO:
            raise ValueError(f"ratio: expected 2 or 4, got {self.ratio}")
        for name, count in (("dilations", 4), ("volume_dilations", 3)):
            if len(getattr(self, name)) != count or min(getattr(self, name)) < 1:
                raise ValueError(
                    f"{name}: expected {count} whole numbers of 1 or more, "
                    f"got {tuple(getattr(self, name))}"
                )
        if self.base_channels < 2 or self.volume_channels < 1:
            raise ValueError(
                "base_channels and volume_channels: expected at least 2 and 1, "
                f"got {self.base_channels} and {self.volume_channels}"
            )

    @property
    def multiple(self) -> int:
        """Height and width are multiples of it."""
        return 4 * self.ratio if self.guidance else 4

    @property
    def time_multiple(self) -> int:
        """The number of frames is a multiple of it."""
        return 4 if self.guidance and self.stride_time else 1

    def setup(self):
        """Makes both networks."""
        common: dict[str, Any] = {
            "norm": self.norm,
            "negative_slope": self.negative_slope,
            "residual": self.residual_layers,
            "head_scale": 1.0 if self.composition == "direct" else 0.02,
            "dtype": None if self.dtype is None else jnp.dtype(self.dtype),
        }
        if self.guidance:
            self.volume = VolumeNetwork(
                self.volume_channels,
                dilations=self.volume_dilations,
                stride_time=self.stride_time,
                **common,
            )
        self.frame = FrameNetwork(self.base_channels, dilations=self.dilations, **common)

    def __call__(
        self,
        video: Float[Array | np.ndarray, "n t h w 3"],
        mask: Float[Array | np.ndarray, "n t h w 1"],
        train: bool = False,
        frames: Int[Array, " k"] | None = None,
        train_volume: bool | None = None,
        filled: Float[Array, "n t h w 4"] | None = None,
    ) -> Completion:
        """Completes a video.

        Args:
          video: in [-1, 1]; what it holds in holes does not matter.
          mask: 1 in holes, else 0.
          train: BatchNorm uses and updates batch statistics.
          frames: which frames the 2D network completes; None for all.
          train_volume: the same as `train` for the 3DCN alone; None for the same as there.
          filled: what `fill_holes` makes of the video, where that is known before.

        Raises:
          ValueError: if shapes do not match, or are no multiples of what the networks need.
        """
        self._check(video.shape, mask.shape)
        video, mask = jnp.asarray(video), jnp.asarray(mask)
        inputs = self._inputs(video, mask, filled)
        added, small = None, Completion(video, None, None)
        if self.guidance:
            small = self._complete_volume(inputs, train if train_volume is None else train_volume)
            assert small.volume is not None
            added = small.volume - shrink(inputs[..., :3], self.ratio)
        guide = small.volume
        if frames is not None:
            inputs = inputs[:, frames]
            guide = None if guide is None else guide[:, frames]
            added = None if added is None else added[:, frames]
        result = self.frame(inputs, guide, train)
        if self.composition == "residual":
            result = result + inputs[..., :3]
            if added is not None:
                result = result + _grow(added, inputs.shape)
        return small._replace(frames=result)

    def complete_volume(
        self,
        video: Float[Array | np.ndarray, "n t h w 3"],
        mask: Float[Array | np.ndarray, "n t h w 1"],
        train: bool = False,
        filled: Float[Array, "n t h w 4"] | None = None,
    ) -> Completion:
        """The 3DCN alone; `frames` of the result is its volume. Arguments as of a call.

        Raises:
          ValueError: as a call does; without guidance there is no 3DCN.
        """
        if not self.guidance:
            raise ValueError("guidance: expected True, since there is no 3DCN without")
        self._check(video.shape, mask.shape)
        inputs = self._inputs(jnp.asarray(video), jnp.asarray(mask), filled)
        return self._complete_volume(inputs, train)

    def _complete_volume(self, inputs, train: bool) -> Completion:
        small = shrink(inputs, self.ratio)
        # A small pixel that touches a hole is one.
        mask = jnp.ceil(small[..., 3:4])
        small = small.at[..., 3:4].set(mask)
        volume = self.volume(small, train)
        if self.composition == "residual":
            volume = volume + small[..., :3]
        return Completion(volume, volume, mask)

    def fill_holes(
        self, video: Float[Array, "n t h w 3"], mask: Float[Array, "n t h w 1"]
    ) -> Float[Array, "n t h w 4"]:
        """What the networks start from: RGB with holes filled (`fill`), and what that rests on.

        The fourth channel is 1 where a pixel is known, and how far it was seen in other frames
        where not. Nothing here learns.
        """
        known = 1.0 - mask
        seen = known
        if self.fill == "mean":
            color = jnp.asarray(self.mean_color, video.dtype)
            video = video * known + color * mask
        elif self.fill == "motion":
            video, seen = fill_along_motion(video, known)
        elif self.fill == "lines":
            single = [x.reshape(-1, 1, *x.shape[2:]) for x in (video, known)]
            video = jax.vmap(fill_along_lines)(*single).reshape(video.shape)
        else:
            if self.fill == "video":
                video, seen = fill_from_other_frames(video, known)
            flat = [x.reshape(-1, *x.shape[2:]) for x in (video, seen)]
            video = fill_smoothly(*flat).reshape(video.shape)
        return jnp.concatenate([video, seen], axis=-1)

    def _inputs(self, video, mask, filled):
        """RGB with holes filled, the mask, and what `fill` adds."""
        filled = self.fill_holes(video, mask) if filled is None else filled
        extra = [1.0 - filled[..., 3:]] if self.fill in _TELLING else []
        return jnp.concatenate([filled[..., :3], mask, *extra], axis=-1)

    def _check(self, video: tuple[int, ...], mask: tuple[int, ...]) -> None:
        if mask != (*video[:4], 1):
            raise ValueError(f"mask: expected shape {(*video[:4], 1)}, got {mask}")
        if video[1] % self.time_multiple or video[2] % self.multiple or video[3] % self.multiple:
            raise ValueError(
                f"video: expected a multiple of {self.time_multiple} frames and of {self.multiple} "
                f"pixels a side, got {video[1]} frames of {video[2]} x {video[3]}; pad it"
            )


def _grow(video: Float[Array, "n t h w c"], shape: Sequence[int]) -> Float[Array, "n t h2 w2 c"]:
    """Bilinearly up to the height and width of `shape`."""
    n, t, h, w, c = video.shape
    flat = resize_bilinear(video.reshape(n * t, h, w, c), shape[2], shape[3], align_corners=False)
    return flat.reshape(n, t, *shape[2:4], c)
