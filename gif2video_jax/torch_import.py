"""The authors' PyTorch weights as Flax networks.

Names in the authors' files (`{a,b}` are members of a sequential):

  colour U-Net: inconv.{0,1,3,4}, downconvN.1.{0,1,3,4}, upconvN.up, upconvN.conv.{0,1,3,4} and
    outconv; 0 and 3 are convolutions, 1 and 4 BatchNorms, `up` is a transposed convolution.
  flow U-Net: inconv.{0,2}, downconvN.1.{0,2}, upconvN.conv.{0,2}, outconv; under netA. and netB.
  discriminator: convolutions 0, 2, 5, 8, 11; BatchNorms 3, 6, 9.

Sizes are read from the arrays' shapes, so networks of any width and depth of the same build import.
"""

import dataclasses
import hashlib
import os
import re
from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import flax.traverse_util
import jax
import numpy as np

from gif2video_jax.errors import InputError
from gif2video_jax.models.build import build_model, variable_shapes
from gif2video_jax.pretrained import Network, flatten, save_network
from gif2video_jax.torch_files import read_checkpoint

StateDict = dict[str, np.ndarray]

# Axes of a Flax kernel, taken from PyTorch's: convolutions are (out, in, y, x) there and
# (y, x, in, out) here; transposed ones (in, out, y, x) and (y, x, in, out).
_CONVOLUTION_AXES = (2, 3, 1, 0)
_TRANSPOSED_AXES = (2, 3, 0, 1)
# PyTorch counts BatchNorm's batches; with a fixed momentum nothing reads the count.
_IGNORED_SUFFIX = ".num_batches_tracked"


def import_torch(
    path: str | os.PathLike | None = None,
    *,
    base: str | os.PathLike | None = None,
    second: str | os.PathLike | None = None,
    interpolator: str | os.PathLike | None = None,
    discriminator: str | os.PathLike | None = None,
) -> tuple[nn.Module, dict[str, Any]]:
    """Imports one network from the authors' PyTorch files.

    `module.apply(variables, nhwc)` then gives a dequantiser's output after tanh; a CCDNet-2 with 12
    input channels also takes the palettes and their numbers of colours. Loading is safe: nothing
    that a file holds is run, and PyTorch is not needed.

    Args:
      path: a file whose network tells what it is: a CCDNet-1 (the same as `base`) or an
        interpolator.
      base: CCDNet-1's file; alone it gives CCDNet-1.
      second: the file of CCDNet-2's second network; needs `base`. Gives a `CCDNet`; whether it sees
        re-quantised input (12 channels) or not (6) is told by its shape.
      interpolator: the file of the two flow networks; gives a `SuperSlomo`.
      discriminator: any training file; gives its discriminator.

    Returns:
      The module and its variables, float32.

    Raises:
      InputError: if a file is missing, truncated, of another network, or holds an unknown or
        missing key or an array of another shape; the message names the key and both shapes.
      ValueError: if the arguments ask for none or several networks.
    """
    if path is not None:
        if any(source is not None for source in (base, interpolator, discriminator)):
            raise ValueError("path: expected either path or named files, got both")
        if any(name.startswith(("netA.", "netB.")) for name in _generator(path)):
            interpolator = path
        else:
            base = path
    dequantizer = base if base is not None else second
    if sum(source is not None for source in (dequantizer, interpolator, discriminator)) != 1:
        raise ValueError(
            "expected the file or files of one network: base (and second), interpolator, or "
            "discriminator"
        )
    if interpolator is not None:
        network = _import_interpolator(interpolator)
    elif discriminator is not None:
        network = _import_discriminator(discriminator)
    else:
        network = _import_dequantizer(base, second)
    return network.module, dict(network.variables)


def import_torch_files(
    output_folder: str | os.PathLike,
    *,
    base: str | os.PathLike | None = None,
    second: str | os.PathLike | None = None,
    interpolator: str | os.PathLike | None = None,
    discriminator: str | os.PathLike | None = None,
    overwrite: bool = False,
) -> list[str]:
    """Writes a folder that `load_model` reads, from the authors' PyTorch files.

    Args:
      output_folder: made if it is missing; other networks in it stay.
      base: see `import_torch`.
      second: see `import_torch`.
      interpolator: see `import_torch`.
      discriminator: any training file; its discriminator becomes discriminator.safetensors, from
        which training can go on.
      overwrite: replaces networks that are there already.

    Returns:
      The paths of the files written.

    Raises:
      InputError: as `import_torch`; also if no file is given, or one would be overwritten. Nothing
        is written then.
    """
    folder = os.fspath(output_folder)
    networks: dict[str, Network] = {}
    if base is not None or second is not None:
        networks["dequantizer"] = _import_dequantizer(base, second)
    if interpolator is not None:
        networks["interpolator"] = _import_interpolator(interpolator)
    if discriminator is not None:
        networks["discriminator"] = _import_discriminator(discriminator)
    if not networks:
        raise InputError("nothing to import: give a base, an interpolator or a discriminator")
    paths = {part: os.path.join(folder, f"{part}.safetensors") for part in networks}
    for path in paths.values():
        if os.path.exists(path) and not overwrite:
            raise InputError(f"{path}: exists already; choose another folder or remove it")
    try:
        os.makedirs(folder, exist_ok=True)
        for part, network in networks.items():
            save_network(
                paths[part],
                network.kind,
                network.fields,
                network.variables,
                dtype="float32",
                about=network.about,
            )
    except OSError as error:
        raise InputError(f"{folder}: cannot write there: {error.strerror}") from error
    return list(paths.values())


def _import_dequantizer(
    base: str | os.PathLike | None, second: str | os.PathLike | None
) -> Network:
    """CCDNet-1 from its file, or CCDNet-2 from its two files."""
    if base is None:
        raise InputError(
            f"{second}: this is CCDNet-2's second network; give the file of its base (CCDNet-1) too"
        )
    base_state = _generator(base)
    fields: dict[str, Any] = {"unet": _colour_unet_fields(base, base_state)}
    names = _colour_unet_names(fields["unet"])
    if second is None:
        networks = [_Source(base, base_state, _under("unet", names))]
        return _convert("ccdnet1", fields, networks)
    second_state = _generator(second)
    channels = _shape(second, second_state, "inconv.0.weight", 4)[1]
    if channels not in (6, 12):
        raise InputError(
            f"{second}: inconv.0.weight: expected 12 or 6 input channels, those of CCDNet-2's "
            f"second network, got shape {second_state['inconv.0.weight'].shape}"
        )
    fields |= {"unroll": 1, "requantize": channels == 12, "last_only": True}
    networks = [
        _Source(base, base_state, _under("base/unet", names)),
        _Source(second, second_state, _under("second", names)),
    ]
    return _convert("ccdnet", fields, networks)


def _import_interpolator(path: str | os.PathLike) -> Network:
    """The two flow networks from their file."""
    state = _generator(path)
    if "netA.inconv.0.weight" not in state:
        raise InputError(
            f"{path}: netA.inconv.0.weight: missing; expected an interpolator's file, "
            f"got keys such as {', '.join(list(state)[:3])}"
        )
    fields = {"unet": _flow_unet_fields(path, state)}
    names = _flow_unet_names(fields["unet"])
    both = {
        **{f"flow/{ours}": f"netA.{theirs}" for ours, theirs in names.items()},
        **{f"refine/{ours}": f"netB.{theirs}" for ours, theirs in names.items()},
    }
    return _convert("superslomo", fields, [_Source(path, state, both)])


def _import_discriminator(path: str | os.PathLike) -> Network:
    """The discriminator of a training file."""
    state = _network_of(path, "model_netD")
    names = {"convolution_0": "0"}
    for i, member in enumerate((2, 5, 8), start=1):
        names |= {f"convolution_{i}": str(member), f"norm_{i}": str(member + 1)}
    names["convolution_4"] = "11"
    channels = [_shape(path, state, f"{member}.weight", 4)[0] for member in (0, 2, 5, 8)]
    return _convert("discriminator", {"channels": channels}, [_Source(path, state, names)])


@dataclasses.dataclass
class _Source:
    """A file's arrays, and where its layers belong: our name to the authors'."""

    path: str | os.PathLike
    state: StateDict
    names: Mapping[str, str]


def _convert(kind: str, fields: dict[str, Any], sources: list[_Source]) -> Network:
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


def _colour_unet_fields(path: str | os.PathLike, state: StateDict) -> dict[str, Any]:
    """The U-Net's fields, as far as a colour network's arrays tell them."""
    return _unet_sizes(path, state, "") | {
        "norm": "batch",
        "negative_slope": 0.0,
        "upsampling": "transposed",
    }


def _flow_unet_fields(path: str | os.PathLike, state: StateDict) -> dict[str, Any]:
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
    down_shapes = [_shape(path, state, f"{prefix}{stage}.weight", 4) for stage in stages]
    up_shapes = [
        _shape(path, state, f"{prefix}upconv{i + 1}.conv.0.weight", 4) for i in range(downs)
    ]
    return {
        "stage_channels": [shape[0] for shape in down_shapes],
        "up_channels": [shape[0] for shape in up_shapes],
        "kernel_sizes": [shape[2] for shape in down_shapes],
    }


def _colour_unet_names(fields: Mapping[str, Any]) -> dict[str, str]:
    """Our layers' names to the authors', of a colour U-Net."""
    names: dict[str, str] = {}
    for ours, theirs in _stage_names(fields).items():
        for i, (convolution, norm) in enumerate(((0, 1), (3, 4))):
            names[f"{ours}/convolution_{i}"] = f"{theirs}.{convolution}"
            names[f"{ours}/norm_{i}"] = f"{theirs}.{norm}"
    for i in range(len(fields["up_channels"])):
        names[f"enlarge_{i + 1}"] = f"upconv{i + 1}.up"
    return names | {"head": "outconv"}


def _flow_unet_names(fields: Mapping[str, Any]) -> dict[str, str]:
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


def _under(prefix: str, names: Mapping[str, str]) -> dict[str, str]:
    return {f"{prefix}/{ours}": theirs for ours, theirs in names.items()}


def _shape(path: str | os.PathLike, state: StateDict, key: str, rank: int) -> tuple[int, ...]:
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


def _generator(path: str | os.PathLike) -> StateDict:
    return _network_of(path, "model_netG")


def _network_of(path: str | os.PathLike, key: str) -> StateDict:
    """The arrays of one network of a checkpoint, without what DataParallel added to their names.

    A file that holds arrays only, a bare state dictionary, is taken as the network itself.

    Raises:
      InputError: if there is no such network.
    """
    checkpoint = read_checkpoint(path)
    if not isinstance(checkpoint, dict) or not checkpoint:
        raise InputError(
            f"{path}: expected a dictionary with {key}, got {type(checkpoint).__name__}"
        )
    state = checkpoint.get(key)
    if state is None and all(isinstance(value, np.ndarray) for value in checkpoint.values()):
        state = checkpoint
    if not isinstance(state, dict) or not state:
        names = ", ".join(str(name) for name in list(checkpoint)[:8])
        raise InputError(f"{path}: expected a network under {key}, got {names}")
    arrays: StateDict = {}
    for name, value in state.items():
        if not isinstance(value, np.ndarray):
            raise InputError(f"{path}: {key}: {name}: expected an array, got {value!r:.60}")
        if not str(name).endswith(_IGNORED_SUFFIX):
            arrays[".".join(part for part in str(name).split(".") if part != "module")] = value
    return arrays


def _provenance(path: str | os.PathLike) -> dict[str, str]:
    """A file's name and digest, so that the weights can be traced to it."""
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"name": os.path.basename(os.fspath(path)), "sha256": digest}
