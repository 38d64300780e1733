"""A wider network that starts as a trained narrow one: `python -m ...widening --help`.

Training a large network from nothing repeats what a small one has learned. Here the small one's
weights become those of the large one's first channels; new channels read everything, and nothing of
the small one reads them until training makes it; new residual blocks begin at zero. So the large
network computes just what the small one did, and every new weight has a gradient or gets one after
a step. (Net2Net, Chen, Goodfellow and Shlens, 2016, copies channels instead.) The way back is
`narrowing`.

Both networks are CCDNet-1 without normalisation, of as many levels; the wide one has at least the
narrow one's channels and blocks.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gif2video_jax.errors import InputError
from gif2video_jax.models.build import build_model
from gif2video_jax.network_files import Network, save_network
from gif2video_jax.training.narrowing import KIND, asked_for, check_widths

Layer = Mapping[str, np.ndarray]


def widened(network: Network, unet: Mapping[str, Any], key: jax.Array) -> dict[str, Any]:
    """Variables of a wider CCDNet-1 that does exactly what a narrow one does.

    Args:
      network: the narrow CCDNet-1.
      unet: fields of the wide U-Net.
      key: draws the new weights.

    Raises:
      InputError: if the wide one is narrower somewhere, or differs in more than its widths.
    """
    narrow = network.module.unet
    check_widths(unet, narrow, asked="wide")
    if unet.get("upsampling") != narrow.get("upsampling"):
        raise InputError(
            f"config.model.unet.upsampling: expected the narrow network's "
            f"{narrow.get('upsampling')!r}, got {unet.get('upsampling')!r}"
        )
    old = jax.tree.map(np.asarray, dict(network.variables["params"]["unet"]))
    fresh = _fresh(network, unet, key)
    # Only the first convolutions of the way up read two arrays: the skip, and what was enlarged.
    skips = {
        f"up_{index}": (narrow["stage_channels"][-1 - index], unet["stage_channels"][-1 - index])
        for index in range(1, len(unet["stage_channels"]))
    }
    params: dict[str, Any] = {}
    for name, new in fresh.items():
        if "kernel" in new:  # the head, or what enlarges
            params[name] = _grown(old[name], new)
            continue
        params[name] = _stage(old[name], new, skips.get(name))
    return {"params": {"unet": params}}


def _fresh(network: Network, unet: Mapping[str, Any], key: jax.Array) -> dict[str, Any]:
    """Parameters of the wide U-Net as a training begins with them."""
    module = build_model(KIND, {**network.fields, "unet": unet})
    side = 2 ** len(unet["stage_channels"]) * unet.get("stem_factor", 1)
    frame = jnp.zeros((1, side, side, 3))
    geometry = jnp.zeros((1, side, side, module.geometry_channels))
    variables = module.init(key, frame, geometry if module.geometry_channels else None)
    return jax.tree.map(np.asarray, dict(variables["params"]["unet"]))


def _stage(
    old: Mapping[str, Layer], new: Mapping[str, Layer], skip: tuple[int, int] | None
) -> dict[str, Layer]:
    """A stage; `skip` as `_grown` has it."""
    result: dict[str, Layer] = {}
    for name, layer in new.items():
        if name in old:
            result[name] = _grown(old[name], layer, skip if name == "convolution_0" else None)
        elif name.endswith("_out"):  # of a new block, whose last convolution gives nothing
            result[name] = jax.tree.map(np.zeros_like, layer)
        else:
            result[name] = layer
    return result


def _grown(old: Layer, new: Layer, skip: tuple[int, int] | None = None) -> dict[str, np.ndarray]:
    """A layer that gives in its first channels what the old one gave.

    Args:
      old: the narrow network's.
      new: a fresh one of the wide network's size.
      skip: channels of the first of two arrays that it reads, in the narrow and the wide network.
    """
    kernel, bias = np.array(new["kernel"]), np.array(new["bias"])
    inputs, outputs = old["kernel"].shape[-2:]
    narrow, wide = skip or (inputs, inputs)
    kernel[..., :outputs] = 0.0
    kernel[..., :narrow, :outputs] = old["kernel"][..., :narrow, :]
    kernel[..., wide : wide + inputs - narrow, :outputs] = old["kernel"][..., narrow:, :]
    bias[:outputs] = old["bias"]
    return {"kernel": kernel, "bias": bias}


def widen_file(weights: str, config_path: str, output: str, *, seed: int = 0) -> None:
    """Widens the network of a weight file to what a config asks for, and writes it as another.

    Args:
      weights: the narrow CCDNet-1's .safetensors.
      config_path: of the wide one's training.
      output: the .safetensors to write.
      seed: of the new weights.

    Raises:
      InputError: if anything of these is missing, broken or does not fit.
    """
    network, fields = asked_for(weights, config_path, output)
    variables = widened(network, fields["unet"], jax.random.key(seed))
    save_network(output, KIND, fields, variables, dtype="float32", about={"widened": weights})


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", required=True, help="the narrow network, a .safetensors file")
    parser.add_argument("--config", required=True, help="of the wide network's training")
    parser.add_argument("--output", required=True, help="the .safetensors file to write")
    parser.add_argument("--seed", type=int, default=0, help="of the new weights")
    options = parser.parse_args(arguments)
    try:
        widen_file(options.weights, options.config, options.output, seed=options.seed)
    except InputError as error:
        sys.exit(f"widening: {error}")
    print(f"{options.output}: written; give it as config.initial_checkpoint")


if __name__ == "__main__":
    main()
