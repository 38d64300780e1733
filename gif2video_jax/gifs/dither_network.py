"""The dither classifier in NumPy: `models.dither_classifier` without JAX, for `info` and `restore`.

It reads the weights that `training.export` writes, a safetensors file whose arrays are named by
their path in the Flax variables.
"""

import dataclasses
import functools
import importlib.resources
import os
from collections.abc import Mapping

import numpy as np
import safetensors
import safetensors.numpy
from jaxtyping import Float, Int8

from gif2video_jax.errors import InputError
from gif2video_jax.gifs.dither_planes import NUM_PLANES, SCALE

MIN_SIDE = 16
"""Smallest height and width that the network is asked about."""

_WEIGHTS = "default.dither_classifier.safetensors"
_STRIDES = (2, 2, 2)


@dataclasses.dataclass(frozen=True, eq=False)
class DitherNetwork:
    """The network's weights, float32.

    Attributes:
      arrays: by name: "convolution_0/kernel" and so on.
    """

    arrays: Mapping[str, np.ndarray]

    def probabilities(self, planes: Int8[np.ndarray, "h w 15"]) -> Float[np.ndarray, " k"]:
        """How likely a picture is of each of `dithering.DITHER_KINDS`.

        Args:
          planes: of `dither_planes`, at least `MIN_SIDE` pixels high and wide.

        Raises:
          ValueError: if they are smaller.
        """
        if min(planes.shape[:2]) < MIN_SIDE:
            raise ValueError(
                f"planes: expected {MIN_SIDE} pixels or more, got {planes.shape[1]}x"
                f"{planes.shape[0]}"
            )
        logits = self.logits(planes)
        powers = np.exp(logits - logits.max())
        return powers / powers.sum()

    def logits(self, planes: Int8[np.ndarray, "h w 15"]) -> Float[np.ndarray, " k"]:
        """What the softmax of `probabilities` is of."""
        x = planes.astype(np.float32) / np.float32(SCALE)
        for number, stride in enumerate(_STRIDES):
            x = self._convolved(f"convolution_{number}", x, stride)
        gate = 1 / (1 + np.exp(-self._dense("gate", x)))
        pooled = (gate * x).sum(axis=(0, 1)) / gate.sum()
        return self._dense("logits", np.maximum(self._dense("hidden", pooled), 0))

    def _convolved(self, name: str, x: np.ndarray, stride: int) -> np.ndarray:
        """A 3x3 convolution without padding, and what is above 0 of it: nine matrix products."""
        kernel = self.arrays[f"{name}/kernel"]
        height, width = ((side - 3) // stride + 1 for side in x.shape[:2])
        result = np.broadcast_to(self.arrays[f"{name}/bias"], (height, width, kernel.shape[-1]))
        result = result.copy()
        for y in range(3):
            for x_ in range(3):
                rows = x[y : y + stride * (height - 1) + 1 : stride]
                result += rows[:, x_ : x_ + stride * (width - 1) + 1 : stride] @ kernel[y, x_]
        return np.maximum(result, 0, out=result)

    def _dense(self, name: str, x: np.ndarray) -> np.ndarray:
        return x @ self.arrays[f"{name}/kernel"] + self.arrays[f"{name}/bias"]


def load_dither_network(path: str | os.PathLike) -> DitherNetwork:
    """Reads a dither classifier.

    Raises:
      InputError: if there is no such file, or it is none.
    """
    try:
        arrays = safetensors.numpy.load_file(os.fspath(path))
    except (OSError, safetensors.SafetensorError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{os.fspath(path)}: not a whole safetensors file ({reason})") from error
    arrays = {
        name.removeprefix("params/"): np.asarray(array, np.float32)
        for name, array in arrays.items()
    }
    names = [f"convolution_{number}" for number in range(len(_STRIDES))]
    for name in [*names, "gate", "hidden", "logits"]:
        if not {f"{name}/kernel", f"{name}/bias"} <= arrays.keys():
            raise InputError(f"{os.fspath(path)}: no dither classifier: has no {name}")
    if arrays["convolution_0/kernel"].shape[2] != NUM_PLANES:
        raise InputError(f"{os.fspath(path)}: a dither classifier of other planes than these")
    return DitherNetwork(arrays)


@functools.cache
def bundled_dither_network() -> DitherNetwork:
    """The one that came with the package."""
    weights = importlib.resources.files("gif2video_jax") / "weights" / _WEIGHTS
    with importlib.resources.as_file(weights) as path:
        return load_dither_network(path)
