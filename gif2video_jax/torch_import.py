"""The authors' PyTorch weights as Flax networks.

Here is which files make which network; `torch_layers.py` knows the authors' layers and
`torch_arrays.py` turns their arrays into ours.
"""

import os
from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import numpy as np

from gif2video_jax.errors import InputError
from gif2video_jax.network_files import Network, save_network
from gif2video_jax.torch_arrays import Source, convert
from gif2video_jax.torch_files import read_checkpoint
from gif2video_jax.torch_layers import (
    StateDict,
    colour_unet_fields,
    colour_unet_names,
    flow_unet_fields,
    flow_unet_names,
    shape_of,
)

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
    fields: dict[str, Any] = {"unet": colour_unet_fields(base, base_state)}
    names = colour_unet_names(fields["unet"])
    if second is None:
        networks = [Source(base, base_state, _under("unet", names))]
        return convert("ccdnet1", fields, networks)
    second_state = _generator(second)
    channels = shape_of(second, second_state, "inconv.0.weight", 4)[1]
    if channels not in (6, 12):
        raise InputError(
            f"{second}: inconv.0.weight: expected 12 or 6 input channels, those of CCDNet-2's "
            f"second network, got shape {second_state['inconv.0.weight'].shape}"
        )
    fields |= {"unroll": 1, "requantize": channels == 12, "last_only": True}
    networks = [
        Source(base, base_state, _under("base/unet", names)),
        Source(second, second_state, _under("second", names)),
    ]
    return convert("ccdnet", fields, networks)


def _import_interpolator(path: str | os.PathLike) -> Network:
    """The two flow networks from their file."""
    state = _generator(path)
    if "netA.inconv.0.weight" not in state:
        raise InputError(
            f"{path}: netA.inconv.0.weight: missing; expected an interpolator's file, "
            f"got keys such as {', '.join(list(state)[:3])}"
        )
    fields = {"unet": flow_unet_fields(path, state)}
    names = flow_unet_names(fields["unet"])
    both = {
        **{f"flow/{ours}": f"netA.{theirs}" for ours, theirs in names.items()},
        **{f"refine/{ours}": f"netB.{theirs}" for ours, theirs in names.items()},
    }
    return convert("superslomo", fields, [Source(path, state, both)])


def _import_discriminator(path: str | os.PathLike) -> Network:
    """The discriminator of a training file."""
    state = _network_of(path, "model_netD")
    names = {"convolution_0": "0"}
    for i, member in enumerate((2, 5, 8), start=1):
        names |= {f"convolution_{i}": str(member), f"norm_{i}": str(member + 1)}
    names["convolution_4"] = "11"
    channels = [shape_of(path, state, f"{member}.weight", 4)[0] for member in (0, 2, 5, 8)]
    return convert("discriminator", {"channels": channels}, [Source(path, state, names)])


def _under(prefix: str, names: Mapping[str, str]) -> dict[str, str]:
    return {f"{prefix}/{ours}": theirs for ours, theirs in names.items()}


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
