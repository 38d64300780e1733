"""LPIPS, the distance of deep features, with weights from a file that the user has.

Zhang et al., "The unreasonable effectiveness of deep features as a perceptual metric", CVPR 2018,
version 0.1 with AlexNet:

  both images -> shift and scale each channel -> the five convolutions of AlexNet, each after a ReLU
  -> each pixel's features to unit length -> squared difference -> weighted sum over the channels
  -> mean over the pixels -> sum over the five

No package index has AlexNet's weights, so none come with this package. The file holds arrays under
the names of the authors' package `lpips`, as this writes them where that package is installed:

    torch.save(lpips.LPIPS(net="alex").state_dict(), "lpips_alex.pth")

or the same as .safetensors; torchvision's names of the network ("features.0.weight") serve as well.
PyTorch is not needed to read either.
"""

import os
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import safetensors
import safetensors.numpy
from jaxtyping import Array, Float

from gif2video_jax.errors import InputError
from gif2video_jax.ops.sums import mean
from gif2video_jax.torch_files import read_checkpoint

# Of each convolution: output and input channels, side of the kernel, stride, padding, and whether
# a maximum over 3x3 pixels, every second, comes before it.
_LAYERS = (
    (64, 3, 11, 4, 2, False),
    (192, 64, 5, 1, 2, True),
    (384, 192, 3, 1, 1, True),
    (256, 384, 3, 1, 1, False),
    (256, 256, 3, 1, 1, False),
)
# Their numbers in torchvision's AlexNet; the package has them in slices of the same numbers.
_NUMBERS = (0, 3, 6, 8, 10)
# ImageNet's mean and deviation for images in [-1, 1], as the package has them.
_SHIFT = (-0.030, -0.088, -0.188)
_SCALE = (0.458, 0.448, 0.450)
LEAST_SIDE = 31  # Pixels; of smaller images nothing is left after the second maximum.

Weights = dict[str, Array]


def lpips(
    weights: Mapping[str, Array], image: Float[Array, "n h w 3"], truth: Float[Array, "n h w 3"]
) -> Float[Array, " n"]:
    """The distance of each pair of images, 0 if they are the same.

    Args:
      weights: see `load_weights`.
      image: in [-1, 1], at least 31 pixels high and wide.
      truth: likewise.

    Raises:
      ValueError: if the images are smaller.
    """
    if min(image.shape[1:3]) < LEAST_SIDE:
        raise ValueError(
            f"LPIPS: expected images of at least {LEAST_SIDE}x{LEAST_SIDE} pixels, "
            f"got {image.shape[2]}x{image.shape[1]}"
        )
    total = jnp.zeros(len(image))
    pairs = zip(_features(weights, image), _features(weights, truth), strict=True)
    for number, (ours, theirs) in enumerate(pairs):
        squares = jnp.square(_unit(ours) - _unit(theirs))
        weighted = squares @ weights[f"head_{number}"]
        total = total + mean(weighted, num_kept=1)
    return total


def weight_shapes() -> dict[str, tuple[int, ...]]:
    """Name to shape of all weights: kernels (h, w, in, out), biases, and heads, a channel each."""
    shapes: dict[str, tuple[int, ...]] = {}
    for number, (filters, channels, side, *_) in enumerate(_LAYERS):
        shapes[f"kernel_{number}"] = (side, side, channels, filters)
        shapes[f"bias_{number}"] = (filters,)
        shapes[f"head_{number}"] = (filters,)
    return shapes


def load_weights(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """Reads the weights from a .safetensors file or one of `torch.save`, see the head of this file.

    Raises:
      InputError: if the file is missing or broken, or lacks an array or has one of another shape.
    """
    path = os.fspath(path)
    arrays = _read(path)
    weights = {}
    for number, (filters, channels, side, *_) in enumerate(_LAYERS):
        at = _NUMBERS[number]
        layer = (f"net.slice{number + 1}.{at}", f"features.{at}", f"net.features.{at}")
        heads = (f"lin{number}.model.1", f"lins.{number}.model.1")
        kernel = _array(path, arrays, layer, "weight", (filters, channels, side, side))
        weights[f"kernel_{number}"] = kernel.transpose(2, 3, 1, 0)
        weights[f"bias_{number}"] = _array(path, arrays, layer, "bias", (filters,))
        head = _array(path, arrays, heads, "weight", (1, filters, 1, 1))
        weights[f"head_{number}"] = head.reshape(-1)
    return weights


def _features(weights: Mapping[str, Array], images: Float[Array, "n h w 3"]) -> list[Array]:
    """What each of the five convolutions gives, after its ReLU."""
    x = (images - jnp.array(_SHIFT, images.dtype)) / jnp.array(_SCALE, images.dtype)
    found = []
    for number, (_, _, _, stride, padding, pooled) in enumerate(_LAYERS):
        if pooled:
            x = jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 3, 3, 1), (1, 2, 2, 1), "VALID")
        x = jax.lax.conv_general_dilated(
            x,
            weights[f"kernel_{number}"],
            (stride, stride),
            [(padding, padding)] * 2,
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
        )
        x = jax.nn.relu(x + weights[f"bias_{number}"])
        found.append(x)
    return found


def _unit(features: Float[Array, "n h w c"]) -> Float[Array, "n h w c"]:
    """Each pixel's features over their length; no features stay none, and pass no gradient."""
    squares = jnp.sum(jnp.square(features), axis=-1, keepdims=True)
    some = squares > 0
    length = jnp.where(some, jnp.sqrt(jnp.where(some, squares, 1.0)), 0.0)
    return features / (length + 1e-10)


def _read(path: str) -> Mapping[str, Any]:
    if os.path.splitext(path)[1] != ".safetensors":
        arrays = read_checkpoint(path)
        if not isinstance(arrays, Mapping):
            raise InputError(f"{path}: expected the arrays of a network by name (a state_dict)")
        return arrays
    try:
        return safetensors.numpy.load_file(path)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (OSError, safetensors.SafetensorError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path}: cannot be read as safetensors ({reason})") from None


def _array(
    path: str, arrays: Mapping[str, Any], names: tuple[str, ...], part: str, shape: tuple[int, ...]
) -> np.ndarray:
    """The array under the first of the names that there is, checked."""
    found = next((name for name in names if f"{name}.{part}" in arrays), None)
    if found is None:
        raise InputError(
            f"{path}: lacks {names[0]}.{part}; LPIPS needs AlexNet and its heads in one file "
            '(the state_dict of lpips.LPIPS(net="alex"))'
        )
    array = np.asarray(arrays[f"{found}.{part}"])
    if array.shape != shape or array.dtype.kind not in "fV":
        raise InputError(
            f"{path}: {found}.{part}: expected numbers of shape {shape}, "
            f"got {array.dtype} {array.shape}"
        )
    return array.astype(np.float32)
