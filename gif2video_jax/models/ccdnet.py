"""CCDNet: compositional colour dequantisation of GIF frames (GIF2Video, section 3).

  CCDNet-1:  I = tanh(U1(G))
  CCDNet-k:  I <- tanh(I + U2(concat[I, G, f_C(I), G - f_C(I)])), `unroll` times, from CCDNet-1's I,
             one U2 shared by all steps; or U2(concat[I, G]) without re-quantised input.

G is the GIF frame, f_C maps each pixel to the nearest colour of that frame's palette. Images are
NHWC RGB in [-1, 1]. In CCDNet-k the first network is frozen: it runs with inference BatchNorm and
passes no gradient.
"""

from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, UInt8

from gif2video_jax.models.unet import UNet
from gif2video_jax.ops.palette import nearest_color

COMPOSITIONS = ("tanh", "residual")


class CCDNet1(nn.Module):
    """One step from a GIF frame to a clean frame.

    Attributes:
      unet: fields of the `UNet` (`out_channels` is 3).
      composition: "tanh", the paper's `tanh(U(G))`, or "residual", `G + U(G)`: a network that
        starts as the identity and need not learn to copy its input.
      geometry_channels: 0, or how many channels of palette geometry
        (`gifs.palette.palette_geometry`) the network reads beside the frame.
      geometry_gain: what the geometry is multiplied with.
      detail_gain: 0, or what the frame's detail is multiplied with, three more channels that the
        network reads: dots and steps are small beside the picture's own range, and a network that
        reads nothing but the picture needs thousands of steps to notice them.
    """

    unet: Mapping[str, Any]
    composition: str = "tanh"
    geometry_channels: int = 0
    geometry_gain: float = 1.0
    detail_gain: float = 0.0

    def __post_init__(self):
        """Rejects an unknown composition."""
        super().__post_init__()
        if self.composition not in COMPOSITIONS:
            raise ValueError(
                f"composition: expected one of {', '.join(COMPOSITIONS)}, got {self.composition!r}"
            )

    @nn.compact
    def __call__(
        self,
        gif: Float[Array | np.ndarray, "n h w 3"],
        geometry: Float[Array | np.ndarray, "n h w g"] | None = None,
        train: bool = False,
    ) -> Float[Array, "n h w 3"]:
        """Dequantises frames.

        Args:
          gif: GIF frames in [-1, 1].
          geometry: palette geometry of each pixel, if `geometry_channels` asks for it.
          train: BatchNorm uses and updates batch statistics.

        Returns:
          Clean frames; within [-1, 1] with "tanh", possibly a little outside with "residual".

        Raises:
          ValueError: if geometry is missing, not asked for, or of another shape.
        """
        expected = gif.shape[:3] + (self.geometry_channels,)
        got = gif.shape[:3] + (0,) if geometry is None else geometry.shape
        if got != expected:
            raise ValueError(f"geometry: expected shape {expected}, got {got}")
        unet = UNet(out_channels=3, **self.unet, name="unet")
        gif = jnp.asarray(gif)
        inputs: list[Any] = [gif]
        if self.detail_gain:
            inputs.append(self.detail_gain * detail(gif))
        if geometry is not None:
            inputs.append(self.geometry_gain * geometry)
        result = unet(jnp.concatenate(inputs, axis=-1), train)
        return jnp.tanh(result) if self.composition == "tanh" else gif + result


def detail(image: Float[Array, "n h w c"]) -> Float[Array, "n h w c"]:
    """What a 3x3 binomial blur takes out of an image; the edge is repeated."""
    padded = jnp.pad(image, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="edge")
    rows = padded[:, :-2] + 2.0 * padded[:, 1:-1] + padded[:, 2:]
    return image - (rows[:, :, :-2] + 2.0 * rows[:, :, 1:-1] + rows[:, :, 2:]) / 16.0


class CCDNet(nn.Module):
    """CCDNet-k: a frozen CCDNet-1 and a second U-Net that refines its result.

    CCDNet-2 of the paper is `unroll=1`: one application of the second network.

    Attributes:
      unet: fields of both U-Nets.
      unroll: how often the second network is applied.
      requantize: whether it also sees f_C(I) and G - f_C(I): 12 input channels rather than 6.
      last_only: the call returns the last result itself, as inference wants it, not a list of all.
    """

    unet: Mapping[str, Any]
    unroll: int = 1
    requantize: bool = True
    last_only: bool = False

    def __post_init__(self):
        """Rejects an impossible unroll."""
        super().__post_init__()
        if self.unroll < 1:
            raise ValueError(f"unroll: expected 1 or more, got {self.unroll}")

    @nn.compact
    def __call__(
        self,
        gif: Float[Array | np.ndarray, "n h w 3"],
        palette: UInt8[Array | np.ndarray, "n 256 3"] | None = None,
        num_colors: Int[Array | np.ndarray, " n"] | None = None,
        train: bool = False,
    ) -> list[Float[Array, "n h w 3"]] | Float[Array, "n h w 3"]:
        """Dequantises frames in steps.

        Args:
          gif: GIF frames in [-1, 1].
          palette: of each frame, for f_C; needed with `requantize`.
          num_colors: of each palette.
          train: BatchNorm of the second network uses and updates batch statistics.

        Returns:
          The result of each application of the second network, the last one the best; the training
          loss averages over all of them. With `last_only` just that last one.

        Raises:
          ValueError: if a palette is needed and missing.
        """
        if self.requantize and (palette is None or num_colors is None):
            raise ValueError("palette and num_colors: needed with requantize=True, got None")
        gif = jnp.asarray(gif)
        image = CCDNet1(self.unet, name="base")(gif, train=False)
        image = jax.lax.stop_gradient(image)
        second = UNet(out_channels=3, **self.unet, name="second")
        results = []
        for _ in range(self.unroll):
            inputs = [image, gif]
            if self.requantize:
                requantized = nearest_color(image, jnp.asarray(palette), jnp.asarray(num_colors))
                inputs += [requantized, gif - requantized]
            image = jnp.tanh(image + second(jnp.concatenate(inputs, axis=-1), train))
            results.append(image)
        return image if self.last_only else results
