"""The U-Net of both networks: one module, its sizes and habits from fields.

Stages, from the authors' code (GIF2Video, CVPR 2019; U-Net: Ronneberger et al., 2015):

  1. Stem: a stage of two convolutions at full size, or at 1/factor after folding pixels into
     channels (`stem_factor`).
  2. Down: 2x2 average pooling, then a stage; once for each further entry of `stage_channels`.
  3. Up: enlarge twofold, pad to the skip's size, concatenate [skip, up], a stage.
  4. Head: 1x1 convolution, then back to full size if the stem folded.

A stage is two convolutions, each followed by the normalisation and the activation. Images are NHWC.
Every size works from 2 ** downs * stem_factor pixels up; smaller ones must be padded. Sizes that
are no multiple of that number lose border pixels in pooling and get zeros back on the way up, as
in the authors' code.
"""

from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from gif2video_jax.ops.convolution import convolve
from gif2video_jax.ops.image import depth_to_space, resize_bilinear, space_to_depth

NORMS = ("none", "batch", "layer")
UPSAMPLINGS = ("transposed", "transposed_narrow", "bilinear_aligned", "bilinear")
HEADS = ("depth_to_space", "bilinear")


class Convolution(nn.Module):
    """A convolution with bias and "same" zero padding, of one or several arrays.

    Several are convolved as their concatenation would be, each with its own part of the kernel,
    and added up: on a CPU that takes less time than putting them together (benchmarks/forward.py).
    """

    channels: int
    kernel_size: int
    scale: float = 2.0
    dtype: Any = None

    @nn.compact
    def __call__(self, inputs: Sequence[Float[Array, "n h w _"]]) -> Float[Array, "n h w channels"]:
        """Convolves the concatenation of `inputs`."""
        sizes = [x.shape[-1] for x in inputs]
        kernel = self.param(
            "kernel",
            nn.initializers.variance_scaling(self.scale, "fan_in", "truncated_normal"),
            (self.kernel_size, self.kernel_size, sum(sizes), self.channels),
        )
        bias = self.param("bias", nn.initializers.zeros, (self.channels,))
        *inputs, kernel, bias = nn.dtypes.promote_dtype(*inputs, kernel, bias, dtype=self.dtype)
        parts = jnp.split(kernel, np.cumsum(sizes)[:-1], axis=2)
        results = [convolve(x, part) for x, part in zip(inputs, parts, strict=True)]
        return sum(results[1:], results[0]) + bias


class Stage(nn.Module):
    """Two convolutions, each with bias, then normalisation, then (leaky) ReLU.

    Attributes:
      channels: output channels of both.
      kernel_size: of both, "same" zero padding.
      norm: "batch" (PyTorch's eps 1e-5 and momentum 0.1), "layer" (over the channels of each pixel:
        no statistics over space, so a tiled image comes out as a whole one) or "none".
      negative_slope: of the activation; 0 is ReLU.
      residual: adds the first convolution's result to the second's.
      blocks: residual blocks that follow: `x + convolution(activation(convolution(x)))`, each
        starting close to the identity, so that many of them train well without normalisation.
      dtype: of the arithmetic; parameters are float32.
    """

    channels: int
    kernel_size: int = 3
    norm: str = "none"
    negative_slope: float = 0.0
    residual: bool = False
    blocks: int = 0
    dtype: Any = None

    @nn.compact
    def __call__(
        self, inputs: Sequence[Float[Array, "n h w _"]], train: bool
    ) -> Float[Array, "n h w channels"]:
        """Applies the stage to the concatenation of `inputs`.

        `train` makes BatchNorm use and update batch statistics.
        """
        first = self._convolution(inputs, 0, train)
        second = self._convolution([first], 1, train)
        result = first + second if self.residual else second
        for index in range(self.blocks):
            name = f"block_{index}"
            change = Convolution(self.channels, 3, dtype=self.dtype, name=f"{name}_in")([result])
            change = nn.leaky_relu(change, self.negative_slope)
            last = Convolution(self.channels, 3, scale=0.02, dtype=self.dtype, name=f"{name}_out")
            result = result + last([change])
        return result

    def _convolution(self, inputs: Sequence[Array], index: int, train: bool) -> Array:
        x = Convolution(
            self.channels, self.kernel_size, dtype=self.dtype, name=f"convolution_{index}"
        )(inputs)
        if self.norm == "batch":
            x = nn.BatchNorm(
                use_running_average=not train,
                momentum=0.9,
                epsilon=1e-5,
                dtype=self.dtype,
                name=f"norm_{index}",
            )(x)
        elif self.norm == "layer":
            x = nn.LayerNorm(epsilon=1e-5, dtype=self.dtype, name=f"norm_{index}")(x)
        return nn.leaky_relu(x, self.negative_slope)


class TransposedConvolution(nn.Module):
    """2x2 transposed convolution of stride 2.

    Blocks do not overlap, so it is one matrix product and a depth-to-space: the same function as
    `lax.conv_transpose`, with a gradient that is many times faster on a CPU.
    """

    channels: int
    dtype: Any = None

    @nn.compact
    def __call__(self, x: Float[Array, "n h w c"]) -> Float[Array, "n 2*h 2*w channels"]:
        """Enlarges twofold; output block (i, j) of a pixel is `x @ kernel[i, j] + bias`."""
        kernel = self.param(
            "kernel",
            nn.initializers.variance_scaling(1.0, "fan_in", "truncated_normal", in_axis=2),
            (2, 2, x.shape[-1], self.channels),
        )
        bias = self.param("bias", nn.initializers.zeros, (self.channels,))
        x, kernel, bias = nn.dtypes.promote_dtype(x, kernel, bias, dtype=self.dtype)
        matrix = kernel.transpose(2, 0, 1, 3).reshape(x.shape[-1], 4 * self.channels)
        return depth_to_space(x @ matrix, 2) + bias


class UNet(nn.Module):
    """A U-Net; see the head of this file.

    Attributes:
      out_channels: channels of the result.
      stage_channels: the stem's and each down stage's channels.
      up_channels: of each up stage, one fewer than the stages.
      kernel_sizes: one for each of `stage_channels`; up stages use 3.
      norm: see `Stage`.
      negative_slope: see `Stage`.
      upsampling: "transposed" (2x2 stride 2, learned, keeps the channels), "transposed_narrow" (the
        same, to as many channels as the skip beside it has), "bilinear_aligned" (PyTorch's
        UpsamplingBilinear2d) or "bilinear" (half-pixel, the same for a tile as for the whole).
      residual_stages: see `Stage.residual`.
      stage_blocks: `Stage.blocks` of each of `stage_channels`; empty for none.
      up_blocks: the same of each of `up_channels`.
      stem_factor: 1, or how far pixels are folded into channels before the first stage.
      head: how a folded result becomes full size again: "depth_to_space" (each output pixel its
        own channels) or "bilinear" (smooth, for flows).
      zero_head: starts the head at zero, so that a residual network starts as the identity.
      dtype: of the arithmetic; the head's result is float32 always.
    """

    out_channels: int
    stage_channels: Sequence[int] = (64, 128, 256, 512, 512)
    up_channels: Sequence[int] = (256, 128, 64, 64)
    kernel_sizes: Sequence[int] = (3, 3, 3, 3, 3)
    norm: str = "batch"
    negative_slope: float = 0.0
    upsampling: str = "transposed"
    residual_stages: bool = False
    stage_blocks: Sequence[int] = ()
    up_blocks: Sequence[int] = ()
    stem_factor: int = 1
    head: str = "depth_to_space"
    zero_head: bool = False
    dtype: Any = None

    def __post_init__(self):
        """Rejects fields that do not fit each other."""
        super().__post_init__()
        _check_choice("norm", self.norm, NORMS)
        _check_choice("upsampling", self.upsampling, UPSAMPLINGS)
        _check_choice("head", self.head, HEADS)
        if len(self.up_channels) != len(self.stage_channels) - 1:
            raise ValueError(
                f"up_channels: expected {len(self.stage_channels) - 1} entries, one fewer than "
                f"stage_channels, got {len(self.up_channels)}"
            )
        for name, like in (("stage_blocks", "stage_channels"), ("up_blocks", "up_channels")):
            if len(getattr(self, name)) not in (0, len(getattr(self, like))):
                raise ValueError(
                    f"{name}: expected none or {len(getattr(self, like))} entries, one for each of "
                    f"{like}, got {len(getattr(self, name))}"
                )
        if len(self.kernel_sizes) != len(self.stage_channels):
            raise ValueError(
                f"kernel_sizes: expected {len(self.stage_channels)} entries, one for each of "
                f"stage_channels, got {len(self.kernel_sizes)}"
            )

    @property
    def multiple(self) -> int:
        """The smallest size that works; sizes that are multiples of it lose nothing in pooling."""
        return self.stem_factor * 2 ** (len(self.stage_channels) - 1)

    @property
    def reach(self) -> int:
        """How far, in pixels, an output pixel can look in each direction: an upper bound.

        At each level but the deepest, two 3x3 convolutions on the way up and two of the level's own
        kernel on the way down, and two for each residual block; enlarging looks to the end of a
        block, or, bilinearly, of the next.
        Networks that align corners depend on the whole image; for them this means nothing.
        """
        bilinear = self.upsampling.startswith("bilinear")
        reach = self.stem_factor - 1
        if self.head == "bilinear":
            reach = self.stem_factor + (self.stem_factor - 1) // 2
        up_blocks = self.up_blocks[::-1]
        for level, kernel_size in enumerate(self.kernel_sizes):
            scale = self.stem_factor * 2**level
            reach += 2 * (kernel_size // 2) * scale
            reach += 2 * scale * (self.stage_blocks[level] if self.stage_blocks else 0)
            reach += 2 * scale * (up_blocks[level] if level < len(up_blocks) else 0)
            if level < len(self.kernel_sizes) - 1:
                reach += (2 + (2 if bilinear else 1)) * scale
        return reach

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "n h w c"],
        train: bool = False,
    ) -> Float[Array, "n h w out"]:
        """Runs the network.

        Args:
          x: the image.
          train: BatchNorm uses and updates batch statistics.

        Raises:
          ValueError: if the image is smaller than `multiple`.
        """
        if min(x.shape[1:3]) < self.multiple:
            raise ValueError(
                f"image: expected at least {self.multiple} pixels a side, "
                f"got {x.shape[1]} x {x.shape[2]}; pad it"
            )
        if self.stem_factor > 1:
            x = space_to_depth(x, self.stem_factor)
        skips = [self._stage(0, "stem", self.stage_channels, [x], train)]
        for level in range(1, len(self.stage_channels)):
            pooled = nn.avg_pool(skips[-1], (2, 2), strides=(2, 2))
            skips.append(self._stage(level, f"down_{level}", self.stage_channels, [pooled], train))
        x = skips.pop()
        for level, skip in enumerate(reversed(skips)):
            enlarged = _pad_like(self._enlarge(x, level, skip.shape[-1]), skip)
            inputs = [skip, enlarged]
            x = self._stage(level, f"up_{level + 1}", self.up_channels, inputs, train)
        return self._head(x)

    def _stage(self, level: int, name: str, channels: Sequence[int], inputs, train: bool):
        blocks = self.up_blocks if name.startswith("up") else self.stage_blocks
        return Stage(
            channels=channels[level],
            kernel_size=3 if name.startswith("up") else self.kernel_sizes[level],
            norm=self.norm,
            negative_slope=self.negative_slope,
            residual=self.residual_stages,
            blocks=blocks[level] if blocks else 0,
            dtype=self.dtype,
            name=name,
        )(inputs, train)

    def _enlarge(self, x, level: int, skip_channels: int):
        if self.upsampling.startswith("transposed"):
            channels = x.shape[-1] if self.upsampling == "transposed" else skip_channels
            name = f"enlarge_{level + 1}"
            return TransposedConvolution(channels, dtype=self.dtype, name=name)(x)
        aligned = self.upsampling == "bilinear_aligned"
        return resize_bilinear(x, 2 * x.shape[1], 2 * x.shape[2], align_corners=aligned)

    def _head(self, x):
        folded = self.stem_factor > 1 and self.head == "depth_to_space"
        channels = self.out_channels * (self.stem_factor**2 if folded else 1)
        init = nn.initializers.zeros if self.zero_head else nn.initializers.lecun_normal()
        x = nn.Conv(channels, (1, 1), kernel_init=init, dtype=self.dtype, name="head")(x)
        x = x.astype(jnp.float32)
        if folded:
            return depth_to_space(x, self.stem_factor)
        if self.stem_factor > 1:
            size = (x.shape[1] * self.stem_factor, x.shape[2] * self.stem_factor)
            return resize_bilinear(x, *size, align_corners=False)
        return x


def _check_choice(name: str, value: str, choices: Sequence[str]) -> None:
    if value not in choices:
        raise ValueError(f"{name}: expected one of {', '.join(choices)}, got {value!r}")


def _pad_like(x: Float[Array, "n h w c"], like: Float[Array, "n h2 w2 c2"]):
    """Zero-pads to the size of `like`, half before and the rest after."""
    rows, columns = like.shape[1] - x.shape[1], like.shape[2] - x.shape[2]
    if not rows and not columns:
        return x
    return jnp.pad(
        x,
        (
            (0, 0),
            (rows // 2, rows - rows // 2),
            (columns // 2, columns - columns // 2),
            (0, 0),
        ),
    )
