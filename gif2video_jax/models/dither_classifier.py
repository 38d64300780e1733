"""Tells how a picture was dithered, from planes of `gifs.dither_planes`.

GIF2Video's authors announced such a classifier, to choose between their networks for GIFs with and
without dither, and never released it; the design is ours. Three 3x3 convolutions without padding
(a reach of 15 pixels; the planes themselves look 8 further), a mean over all places, weighted by a
learned gate so that flat parts need not count, and two dense layers. Any size of 16 pixels and more
goes in.

`gifs.dither_network` computes the same in NumPy.
"""

from collections.abc import Sequence

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float, Int8

from gif2video_jax.gifs.dither_planes import SCALE

NUM_KINDS = 3


class DitherClassifier(nn.Module):
    """Logits of `gifs.dithering.DITHER_KINDS`.

    Attributes:
      channels: of the convolutions, each of stride 2.
      hidden: units between the mean and the logits.
    """

    channels: Sequence[int] = (16, 24, 32)
    hidden: int = 32

    @nn.compact
    def __call__(self, planes: Int8[Array, "n h w 15"]) -> Float[Array, "n 3"]:
        """Judges pictures.

        Args:
          planes: of `gifs.dither_planes.dither_planes`.
        """
        x = planes.astype(jnp.float32) / SCALE
        for i, channels in enumerate(self.channels):
            layer = nn.Conv(channels, (3, 3), strides=2, padding="VALID", name=f"convolution_{i}")
            x = nn.relu(layer(x))
        gate = nn.sigmoid(nn.Dense(1, name="gate")(x))
        pooled = jnp.sum(gate * x, axis=(1, 2)) / jnp.sum(gate, axis=(1, 2))
        x = nn.relu(nn.Dense(self.hidden, name="hidden")(pooled))
        return nn.Dense(NUM_KINDS, name="logits")(x)
