"""How the authors' networks are laid out: what their layers are called, and how large they are.

Names in the authors' files (`{a,b}` are members of a sequential):

  colour U-Net: inconv.{0,1,3,4}, downconvN.1.{0,1,3,4}, upconvN.up, upconvN.conv.{0,1,3,4} and
    outconv; 0 and 3 are convolutions, 1 and 4 BatchNorms, `up` is a transposed convolution.
  flow U-Net: inconv.{0,2}, downconvN.1.{0,2}, upconvN.conv.{0,2}, outconv; under netA. and netB.
  discriminator: convolutions 0, 2, 5, 8, 11; BatchNorms 3, 6, 9.

Sizes are read from the arrays' shapes, so networks of any width and depth of the same build import.
"""

import os
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from gif2video_jax.errors import InputError

StateDict = dict[str, np.ndarray]


def colour_unet_fields(path: str | os.PathLike, state: StateDict) -> dict[str, Any]:
    """The U-Net's fields, as far as a colour network's arrays tell them."""
    return _unet_sizes(path, state, "") | {
        "norm": "batch",
        "negative_slope": 0.0,
        "upsampling": "transposed",
    }


def flow_unet_fields(path: str | os.PathLike, state: StateDict) -> dict[str, Any]:
    """The same for the flow networks; net A's sizes stand for both."""
    return _unet_sizes(path, state, "netA.") | {
        "norm": "none",
        "negative_slope": 0.1,
        "upsampling": "bilinear_aligned",
    }


def _unet_sizes(path: str | os.PathLike, state: StateDict, prefix: str) -> dict[str, Any]:
    pattern = re.compile(re.escape(prefix) + r"(?:down|up)conv(\d{1,2})\.")
    matches = [pattern.match(name) for name in state]
    downs = max((int(match[1]) for match in matches if match), default=0)
    stages = ["inconv.0", *(f"downconv{i + 1}.1.0" for i in range(downs))]
    down_shapes = [shape_of(path, state, f"{prefix}{stage}.weight", 4) for stage in stages]
    up_shapes = [
        shape_of(path, state, f"{prefix}upconv{i + 1}.conv.0.weight", 4) for i in range(downs)
    ]
    return {
        "stage_channels": [shape[0] for shape in down_shapes],
        "up_channels": [shape[0] for shape in up_shapes],
        "kernel_sizes": [shape[2] for shape in down_shapes],
    }


def colour_unet_names(fields: Mapping[str, Any]) -> dict[str, str]:
    """Our layers' names to the authors', of a colour U-Net."""
    names: dict[str, str] = {}
    for ours, theirs in _stage_names(fields).items():
        for i, (convolution, norm) in enumerate(((0, 1), (3, 4))):
            names[f"{ours}/convolution_{i}"] = f"{theirs}.{convolution}"
            names[f"{ours}/norm_{i}"] = f"{theirs}.{norm}"
    for i in range(len(fields["up_channels"])):
        names[f"enlarge_{i + 1}"] = f"upconv{i + 1}.up"
    return names | {"head": "outconv"}


def flow_unet_names(fields: Mapping[str, Any]) -> dict[str, str]:
    """Our layers' names to the authors', of a flow U-Net."""
    names: dict[str, str] = {}
    for ours, theirs in _stage_names(fields).items():
        names |= {f"{ours}/convolution_0": f"{theirs}.0", f"{ours}/convolution_1": f"{theirs}.2"}
    return names | {"head": "outconv"}


def _stage_names(fields: Mapping[str, Any]) -> dict[str, str]:
    downs = range(1, len(fields["stage_channels"]))
    return {
        "stem": "inconv",
        **{f"down_{i}": f"downconv{i}.1" for i in downs},
        **{f"up_{i}": f"upconv{i}.conv" for i in downs},
    }


def shape_of(path: str | os.PathLike, state: StateDict, key: str, rank: int) -> tuple[int, ...]:
    """An array's shape.

    Raises:
      InputError: if it is missing or not of this rank.
    """
    if key not in state:
        raise InputError(
            f"{path}: {key}: missing; the file has keys such as {', '.join(list(state)[:3])}"
        )
    shape = state[key].shape
    if len(shape) != rank or not all(shape):
        raise InputError(f"{path}: {key}: expected {rank} axes, got shape {shape}")
    return shape
