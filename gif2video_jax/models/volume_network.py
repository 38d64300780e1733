"""The 3DCN of CombCN (see `combcn`): a small video completed as one volume."""

from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from gif2video_jax.models.layer_stack import LayerStack
from gif2video_jax.models.video_layers import Layer


class VolumeNetwork(nn.Module):
    """The 3DCN: completes all frames of a small video as one volume.

    Attributes:
      base_channels: of the first layer; 16 in the paper.
      dilations: of layers 5 to 7.
      stride_time: strides act in time too (an ablation of the paper).
      norm: see `Layer`.
      negative_slope: see `Layer`.
      residual: see `Layer`.
      head_scale: of the last layer's initial variance.
      dtype: see `Layer`.
    """

    base_channels: int = 16
    dilations: Sequence[int] = (2, 4, 8)
    stride_time: bool = False
    norm: str = "batch"
    negative_slope: float = 0.0
    residual: bool = False
    head_scale: float = 1.0
    dtype: Any = None

    @nn.compact
    def __call__(
        self, x: Float[Array, "n t h w c"], train: bool = False
    ) -> Float[Array, "n t h w 3"]:
        """Completes; h and w are multiples of 4, and t too if time is strided."""
        base = self.base_channels
        layers = LayerStack(
            x,
            train,
            norm=self.norm,
            negative_slope=self.negative_slope,
            residual=self.residual,
            dtype=self.dtype,
        )

        def layer(number, channels, kernel_size=3, *, stride=1, **fields):
            time_stride = stride if self.stride_time else 1
            enlarges_space_alone = kernel_size == 4 and time_stride == 1
            layers.add(
                number,
                channels,
                kernel_size,
                stride=stride,
                time_stride=time_stride,
                time_kernel=3 if enlarges_space_alone else kernel_size,
                **fields,
            )

        layer(1, base, 5)
        layer(2, 2 * base, stride=2)
        layer(3, 4 * base)
        layer(4, 8 * base, stride=2)
        for number, dilation in enumerate(self.dilations, start=5):
            layer(number, 16 * base, dilation=dilation)
        layer(8, 8 * base)
        layer(9, 4 * base, 4, stride=2, skip=4)
        layer(10, 2 * base, skip=3)
        layer(11, base, 4, stride=2, skip=2)
        last = Layer(
            3,
            3,
            time_kernel=3,
            negative_slope=1.0,
            scale=self.head_scale,
            dtype=self.dtype,
            name="layer_12",
        )
        return last([layers.output]).astype(jnp.float32)
