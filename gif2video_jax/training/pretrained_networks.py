"""Trained networks that another training starts from or stands on.

A section of a config names one, by at most one of its fields:

  weights   a weight file: .safetensors, or .pt / .pth, the authors' PyTorch file
  workdir   the working directory of a finished (or running) training; its averaged network
"""

import os
from collections.abc import Mapping
from typing import Any

import jax
import ml_collections
import numpy as np

from gif2video_jax.errors import InputError
from gif2video_jax.models.build import build_model
from gif2video_jax.network_files import check_arrays, flatten, load_network
from gif2video_jax.torch_import import import_torch


def load_base(
    source: ml_collections.ConfigDict, kind: str, fields: Mapping[str, Any]
) -> dict[str, Any]:
    """The variables of the network that `source` names, which must be of this kind and size.

    Args:
      source: with the fields `weights` and `workdir`.
      kind: of `models.build.MODELS`.
      fields: the module's.

    Raises:
      InputError: if source names none or two, or if what it names is missing, broken, or another
        network.
    """
    if bool(source.weights) == bool(source.workdir):
        raise InputError(
            "config.base: expected either weights (a .safetensors or .pt file) or workdir (of a "
            f"training of {kind}), got {'both' if source.weights else 'none'}"
        )
    name = source.weights or source.workdir
    if source.workdir:
        from gif2video_jax.training.trained import load_trained  # it needs the tasks

        trained = load_trained(source.workdir)
        found, variables = trained.kind, trained.variables
    elif os.path.splitext(name)[1] in (".pt", ".pth"):
        found, variables = kind, _from_torch(name, kind)
    else:
        network = load_network(name)
        found, variables = network.kind, dict(network.variables)
    if found != kind:
        raise InputError(f"{name}: expected a network of kind {kind}, got {found}")
    try:
        shapes = {key: tuple(leaf.shape) for key, leaf in flatten(variables).items()}
        check_arrays(shapes, build_model(kind, fields))
    except ValueError as error:
        raise InputError(f"{name}: does not fit the config: {error}") from error
    return variables


def placed_like(arrays: Any, like: Any) -> Any:
    """The arrays with the types and on the devices of those in `like`, of the same structure."""

    def place(leaf, model):
        array = np.asarray(leaf, model.dtype)
        return jax.make_array_from_callback(array.shape, model.sharding, lambda i: array[i])

    return jax.tree.map(place, dict(arrays), dict(like))


def _from_torch(path: str, kind: str) -> dict[str, Any]:
    if kind == "superslomo":
        return import_torch(interpolator=path)[1]
    if kind == "ccdnet1":
        return import_torch(base=path)[1]
    raise InputError(f"{path}: a {kind} is two PyTorch files; import them with import-torch first")
