"""The arrays of PyTorch's layers as those of Flax's: names, order of axes, checked shapes."""

import dataclasses
import hashlib
import os
from collections.abc import Mapping
from typing import Any

import flax.traverse_util
import jax
import numpy as np

from gif2video_jax.errors import InputError
from gif2video_jax.models.build import build_model, variable_shapes
from gif2video_jax.network_files import Network, flatten
from gif2video_jax.torch_layers import StateDict

# Axes of a Flax kernel, taken from PyTorch's: convolutions are (out, in, y, x) there and
# (y, x, in, out) here; transposed ones (in, out, y, x) and (y, x, in, out).
_CONVOLUTION_AXES = (2, 3, 1, 0)
_TRANSPOSED_AXES = (2, 3, 0, 1)


@dataclasses.dataclass
class Source:
    """A file's arrays, and where its layers belong: our name to the authors'."""

    path: str | os.PathLike
    state: StateDict
    names: Mapping[str, str]


def convert(kind: str, fields: dict[str, Any], sources: list[Source]) -> Network:
    """Builds the network that the arrays of `sources` make up.

    Raises:
      InputError: if an array is missing, left over, or of another shape.
    """
    module = build_model(kind, fields)
    shapes = {name: leaf.shape for name, leaf in flatten(variable_shapes(module)).items()}
    variables: dict[str, np.ndarray] = {}
    for source in sources:
        left = dict(source.state)
        for ours, theirs in source.names.items():
            for leaf, (key, axes) in _leaves(ours, theirs, shapes).items():
                if key not in left:
                    raise InputError(
                        f"{source.path}: {key}: missing; expected shape "
                        f"{_torch_shape(shapes[leaf], axes)}"
                    )
                array = left.pop(key)
                expected = _torch_shape(shapes[leaf], axes)
                if array.shape != expected:
                    raise InputError(
                        f"{source.path}: {key}: expected shape {expected}, got {array.shape}"
                        + _hint(kind, key, array.shape)
                    )
                variables[leaf] = np.asarray(array, np.float32).transpose(axes)
        for key, array in left.items():
            raise InputError(
                f"{source.path}: {key}: unknown key, of shape {array.shape}; "
                f"a network of kind {kind} has no such array"
            )
    return Network(
        module=module,
        variables=jax.device_put(flax.traverse_util.unflatten_dict(variables, sep="/")),
        about={"imported_from": [_provenance(source.path) for source in sources]},
        kind=kind,
        fields=fields,
    )


def _leaves(
    ours: str, theirs: str, shapes: Mapping[str, tuple[int, ...]]
) -> dict[str, tuple[str, tuple[int, ...]]]:
    """The arrays of one layer: our full name to the authors' and the order of its axes."""
    if ours.rpartition("/")[2].startswith("norm_"):
        return {
            f"params/{ours}/scale": (f"{theirs}.weight", (0,)),
            f"params/{ours}/bias": (f"{theirs}.bias", (0,)),
            f"batch_stats/{ours}/mean": (f"{theirs}.running_mean", (0,)),
            f"batch_stats/{ours}/var": (f"{theirs}.running_var", (0,)),
        }
    transposed = ours.rpartition("/")[2].startswith("enlarge_")
    axes: tuple[int, ...] = _TRANSPOSED_AXES if transposed else _CONVOLUTION_AXES
    leaves = {f"params/{ours}/kernel": (f"{theirs}.weight", axes)}
    if f"params/{ours}/bias" in shapes:
        leaves[f"params/{ours}/bias"] = (f"{theirs}.bias", (0,))
    return leaves


def _torch_shape(shape: tuple[int, ...], axes: tuple[int, ...]) -> tuple[int, ...]:
    """The shape before `transpose(axes)` made it `shape`."""
    return tuple(shape[axes.index(i)] for i in range(len(axes)))


def _hint(kind: str, key: str, shape: tuple[int, ...]) -> str:
    if kind == "ccdnet1" and key == "inconv.0.weight" and shape[1] in (6, 12):
        return " (this is CCDNet-2's second network: give it as the second, with its base)"
    return ""


def _provenance(path: str | os.PathLike) -> dict[str, str]:
    """A file's name and digest, so that the weights can be traced to it."""
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"name": os.path.basename(os.fspath(path)), "sha256": digest}
