"""Numbered layers one after another, some of which also see the output of an earlier one."""

from typing import Any

from jaxtyping import Array, Float

from gif2video_jax.models.video_layers import Layer


class LayerStack:
    """Applies layers in order within a module's compact call, and keeps their outputs for skips.

    Attributes:
      output: of the last layer so far.
    """

    def __init__(self, x: Float[Array, "n t h w c"], train: bool, **common: Any):
        """Begins with an input.

        Args:
          x: what the first layer sees.
          train: see `Layer`.
          **common: fields of all layers but the head.
        """
        self._train = train
        self._common = common
        self._outputs: list[Any] = [x]

    @property
    def output(self) -> Float[Array, "n t h w c"]:
        """Of the last layer so far."""
        return self._outputs[-1]

    def add(
        self,
        number: int,
        channels: int,
        kernel_size: int = 3,
        *,
        stride: int = 1,
        skip: int | None = None,
        guidance: Float[Array, "n t h w channels"] | None = None,
        **fields: Any,
    ) -> None:
        """Adds a layer after the last one; a kernel of 4 is a transposed one's.

        Args:
          number: of the layer, its name.
          channels: of its output.
          kernel_size: in space.
          stride: in space.
          skip: number of the layer whose output is concatenated to the last one's.
          guidance: is added to its output.
          **fields: further ones of `Layer`.
        """
        inputs = [self.output] if skip is None else [self.output, self._outputs[skip]]
        keeps = self._common["residual"] and kernel_size != 4 and stride == 1
        layer = Layer(
            channels=channels,
            kernel_size=kernel_size,
            stride=stride,
            transposed=kernel_size == 4,
            # Of a sum with its input, which varies as much: so that layers do not add up.
            scale=0.5 if keeps and inputs[0].shape[-1] == channels else 2.0,
            name=f"layer_{number}",
            **self._common,
            **fields,
        )
        self._outputs.append(layer(inputs, self._train, guidance))
