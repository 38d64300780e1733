"""The 2D network of CombCN (see `combcn`): each frame completed by itself, guided or not."""

from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from gif2video_jax.models.layer_stack import LayerStack
from gif2video_jax.models.video_layers import Layer

# Of each strided layer: how far its output is scaled down, and which later layer's output is the
# last of that size.
LAST_OF_RATIO = {2: (2, 14), 4: (4, 12)}


class FrameNetwork(nn.Module):
    """The 2D network: completes each frame by itself.

    Attributes:
      base_channels: of the first layer; 64 in the paper.
      dilations: of layers 7 to 10.
      norm: see `Layer`.
      negative_slope: see `Layer`.
      residual: see `Layer`.
      head_scale: of the last layer's initial variance.
      dtype: see `Layer`.
    """

    base_channels: int = 64
    dilations: Sequence[int] = (2, 4, 8, 16)
    norm: str = "batch"
    negative_slope: float = 0.0
    residual: bool = False
    head_scale: float = 1.0
    dtype: Any = None

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "n t h w c"],
        guide: Float[Array, "n t h2 w2 3"] | None = None,
        train: bool = False,
    ) -> Float[Array, "n t h w 3"]:
        """Completes; h and w are multiples of 4. `guide` holds the 3DCN's frames, 1/2 or 1/4."""
        base = self.base_channels
        guided = () if guide is None else LAST_OF_RATIO[x.shape[2] // guide.shape[2]]
        layers = LayerStack(
            x,
            train,
            norm=self.norm,
            negative_slope=self.negative_slope,
            residual=self.residual,
            dtype=self.dtype,
        )

        def layer(number, channels, kernel_size=3, **fields):
            guidance = None
            if guide is not None and number in guided:
                name = f"guidance_{1 + guided.index(number)}"
                convolution = Layer(channels, 3, negative_slope=1.0, dtype=self.dtype, name=name)
                guidance = convolution([guide])
            layers.add(number, channels, kernel_size, guidance=guidance, **fields)

        layer(1, base, 5)
        layer(2, 2 * base, stride=2)
        layer(3, 2 * base)
        layer(4, 4 * base, stride=2)
        layer(5, 4 * base)
        layer(6, 4 * base)
        for number, dilation in enumerate(self.dilations, start=7):
            layer(number, 4 * base, dilation=dilation, skip=7 if number == 10 else None)
        layer(11, 4 * base, skip=6)
        layer(12, 4 * base, skip=5)
        layer(13, 2 * base, 4, stride=2, skip=4)
        layer(14, 2 * base, skip=3)
        layer(15, base, 4, stride=2, skip=2)
        layer(16, base // 2, skip=1)
        last = Layer(
            3, 3, negative_slope=1.0, scale=self.head_scale, dtype=self.dtype, name="layer_17"
        )
        return last([layers.output]).astype(jnp.float32)
