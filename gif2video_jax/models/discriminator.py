"""The PatchGAN discriminator of GIF2Video (Isola et al., 2017; the authors' code).

Five 4x4 convolutions, 64-128-256 at stride 2, 512 and 1 at stride 1, padding 1; BatchNorm except
after the first and the last; LeakyReLU 0.2. A convolution before a BatchNorm has no bias.
"""

from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from gif2video_jax.ops.gradient import diff_xy


class Discriminator(nn.Module):
    """Judges patches of an image, given the GIF that it came from.

    Attributes:
      channels: of every convolution but the last; all of stride 2 but the last of these.
      dtype: of the arithmetic; parameters and the logits are float32.
    """

    channels: Sequence[int] = (64, 128, 256, 512)
    dtype: Any = None

    @nn.compact
    def __call__(
        self,
        gif: Float[Array | np.ndarray, "n h w 3"],
        image: Float[Array | np.ndarray, "n h w 3"],
        train: bool = False,
    ) -> Float[Array, "n h2 w2 1"]:
        """Logits of patches: high for a real image. Input is 12 channels, see `conditional_input`.

        Args:
          gif: the GIF frame, the condition, in [-1, 1].
          image: the clean or restored frame, in [-1, 1].
          train: BatchNorm uses and updates batch statistics.
        """
        x = conditional_input(jnp.asarray(gif), jnp.asarray(image))
        last = len(self.channels) - 1
        for i, channels in enumerate(self.channels):
            x = nn.Conv(
                channels,
                (4, 4),
                strides=1 if i == last else 2,
                padding=1,
                use_bias=i == 0,
                dtype=self.dtype,
                name=f"convolution_{i}",
            )(x)
            if i > 0:
                x = nn.BatchNorm(
                    use_running_average=not train,
                    momentum=0.9,
                    epsilon=1e-5,
                    dtype=self.dtype,
                    name=f"norm_{i}",
                )(x)
            x = nn.leaky_relu(x, 0.2)
        logits = nn.Conv(1, (4, 4), padding=1, dtype=self.dtype, name=f"convolution_{last + 1}")
        return logits(x).astype(jnp.float32)


def conditional_input(
    gif: Float[Array, "n h w 3"], image: Float[Array, "n h w 3"]
) -> Float[Array, "n h w 12"]:
    """`concat[gif, image, pad(diff_xy(image))]`: one zero row on top, one zero column at the left.

    Raises:
      ValueError: if the two shapes differ.
    """
    if gif.shape != image.shape:
        raise ValueError(f"image: expected the shape of gif, {gif.shape}, got {image.shape}")
    gradient = jnp.pad(diff_xy(image), ((0, 0), (1, 0), (1, 0), (0, 0)))
    return jnp.concatenate([gif, image, gradient], axis=-1)
