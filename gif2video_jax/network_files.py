"""A network and its weights as one safetensors file.

Arrays are named by their path in the Flax variables, such as
"params/unet/stem/convolution_0/kernel"; the metadata hold the format's version, the kind of network
(`models.build.MODELS`), the module's fields as JSON, and `about`, a JSON object on where the
weights come from.
"""

import dataclasses
import json
import os
from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import flax.traverse_util
import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import safetensors
import safetensors.numpy

from gif2video_jax.errors import InputError
from gif2video_jax.models.build import MODELS, Fields, build_model, variable_shapes
from gif2video_jax.whole_files import write_whole

FORMAT_VERSION = "1"
SAVED_TYPES = {"float32": np.float32, "float16": np.float16, "bfloat16": ml_dtypes.bfloat16}


@dataclasses.dataclass(frozen=True, eq=False)
class Network:
    """A network with its weights: `network.module.apply(network.variables, ...)`.

    Attributes:
      module: the Flax module.
      variables: its variables, float32.
      about: where the weights come from: training data, steps, hardware, results, licence.
      kind: of `models.build.MODELS`.
      fields: the module's, plain values.
    """

    module: nn.Module
    variables: Mapping[str, Any]
    about: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    kind: str = ""
    fields: Mapping[str, Any] = dataclasses.field(default_factory=dict)


def save_network(
    path: str | os.PathLike,
    kind: str,
    fields: Fields,
    variables: Mapping[str, Any],
    *,
    dtype: str = "float16",
    about: Mapping[str, Any],
) -> None:
    """Writes a network as one safetensors file; it appears only when whole.

    BatchNorm's running statistics stay float32: they are few, and variances leave float16's range.

    Args:
      path: the file.
      kind: of `models.build.MODELS`.
      fields: the module's, as a config or JSON holds them.
      variables: the module's; every array that it needs and no other.
      dtype: in the file: "float32", "float16" or "bfloat16".
      about: facts for the reader, JSON values: training data, steps, hardware, results, licence.

    Raises:
      ValueError: if kind, fields, variables or dtype do not fit, or a value does not fit the dtype.
    """
    if dtype not in SAVED_TYPES:
        raise ValueError(f"dtype: expected one of {', '.join(SAVED_TYPES)}, got {dtype!r}")
    module = build_model(kind, fields)
    arrays = {name: np.asarray(array) for name, array in flatten(variables).items()}
    check_arrays({name: array.shape for name, array in arrays.items()}, module)
    metadata = {
        "format_version": FORMAT_VERSION,
        "kind": kind,
        "fields": json.dumps(_as_json(fields), sort_keys=True),
        "about": json.dumps(_as_json(about), sort_keys=True),
    }
    saved = {name: _narrowed(name, array, dtype) for name, array in arrays.items()}
    write_whole(path, safetensors.numpy.save(saved, metadata))


def load_network(path: str | os.PathLike, *, check: bool = True) -> Network:
    """Reads a network that `save_network` wrote.

    Args:
      path: the file.
      check: whether the arrays are compared with what the network needs, which takes half a second;
        for files that did not come with the package.

    Raises:
      InputError: if the file is missing, truncated or no network of ours, or if its arrays are not
        those that the network needs.
    """
    path = os.fspath(path)
    arrays, metadata = _read_safetensors(path)
    version, kind = metadata.get("format_version"), metadata.get("kind")
    if version is None or kind is None:
        raise InputError(
            f"{path}: a safetensors file, but not a network of gif2video (its metadata do not say "
            "of which kind); make one with `gif2video import-torch`"
        )
    if version != FORMAT_VERSION:
        raise InputError(
            f"{path}: expected format version {FORMAT_VERSION}, got {version}; "
            "a newer gif2video_jax may read it"
        )
    if kind not in MODELS:
        raise InputError(f"{path}: expected a network of {', '.join(MODELS)}, got {kind!r}")
    try:
        fields, about = json.loads(metadata["fields"]), json.loads(metadata.get("about", "{}"))
        module = build_model(kind, fields)
        if check:
            check_arrays({name: array.shape for name, array in arrays.items()}, module)
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(f"{path}: {_one_line(error)}") from error
    arrays = {name: array.astype(np.float32) for name, array in arrays.items()}
    variables = jax.device_put(flax.traverse_util.unflatten_dict(arrays, sep="/"))
    return Network(module, variables, about, kind, fields)


def flatten(variables: Mapping[str, Any]) -> dict[str, Any]:
    """Nested variables as one dictionary with "/" between the names."""
    return flax.traverse_util.flatten_dict(dict(variables), sep="/")


def check_arrays(shapes: Mapping[str, tuple[int, ...]], module: nn.Module) -> None:
    """Checks that arrays of these names and shapes are just those that a network needs.

    Raises:
      ValueError: names the first key that is missing, unexpected or of another shape.
    """
    expected = {name: leaf.shape for name, leaf in flatten(variable_shapes(module)).items()}
    kind = type(module).__name__
    for name, shape in expected.items():
        if name not in shapes:
            raise ValueError(f"{name}: missing; {kind} needs it with shape {shape}")
    for name, shape in shapes.items():
        if name not in expected:
            raise ValueError(f"{name}: {kind} has no such array (here of shape {shape})")
        if tuple(shape) != expected[name]:
            raise ValueError(f"{name}: expected shape {expected[name]}, got {tuple(shape)}")


def _read_safetensors(path: str) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """All arrays and the metadata of a file.

    Raises:
      InputError: if it cannot be read.
    """
    if not os.path.exists(path):
        raise InputError(f"{path}: no such file")
    if os.path.isdir(path):
        raise InputError(f"{path}: a folder; expected a safetensors file")
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            arrays = {name: file.get_tensor(name) for name in file.keys()}
            return arrays, dict(file.metadata() or {})
    except (safetensors.SafetensorError, OSError, ValueError) as error:
        raise InputError(
            f"{path}: not a whole safetensors file ({_one_line(error)}); copy it again"
        ) from error


def _narrowed(name: str, array: np.ndarray, dtype: str) -> np.ndarray:
    """The array in the file's type.

    Raises:
      ValueError: if it holds infinities or NaN, before or after.
    """
    wanted = "float32" if name.startswith("batch_stats/") else dtype
    with np.errstate(over="ignore"):
        narrow = np.ascontiguousarray(array.astype(SAVED_TYPES[wanted]))
    if not np.isfinite(narrow.astype(np.float32)).all():
        reason = f"leaves the range of {wanted}" if np.isfinite(array).all() else "is not finite"
        raise ValueError(f"{name}: a value {reason}")
    return narrow


def _as_json(value: Any) -> Any:
    """Mappings as dictionaries, sequences as lists, types by name: what JSON holds."""
    if isinstance(value, Fields):
        return {str(key): _as_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_as_json(item) for item in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return value.item() if isinstance(value, np.generic) else jnp.dtype(value).name


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())
