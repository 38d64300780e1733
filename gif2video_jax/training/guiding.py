"""Gives a trained 2D network a 3DCN: the start of CombCN's joint training.

    python -m gif2video_jax.training.guiding --weights 2d.safetensors \
      --config configs/combcn_default.py --output start.safetensors

A 2D network needs single pictures alone, of which there are more than there are clips, and trains
several times as fast. The CombCN made here computes what it did: the kernels that lead the 3DCN's
frame into it, and the 3DCN's last layer, are zero, and learn from the first step on.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gif2video_jax.errors import InputError
from gif2video_jax.models.build import build_model
from gif2video_jax.network_files import load_network, save_network
from gif2video_jax.training.export import without_dtype
from gif2video_jax.training.trained import load_config

KIND = "combcn"
# Fields of the 2D network; both networks' must agree on them.
_SHARED = ("base_channels", "dilations", "composition", "norm", "negative_slope", "residual_layers")
_LAST_OF_VOLUME = "layer_12"


def guided(variables: dict[str, Any], fields: dict[str, Any], key: jax.Array) -> dict[str, Any]:
    """The variables of a CombCN that computes what a 2D network does.

    Args:
      variables: of the 2D network.
      fields: of the CombCN, whose 2D network has the same size.
      key: of the 3DCN's first weights.

    Raises:
      ValueError: the 2D networks differ.
    """
    module: Any = build_model(KIND, fields)
    side = module.multiple
    video = np.zeros((1, module.time_multiple, side, side, 3), np.float32)
    fresh = module.init(key, jnp.asarray(video), jnp.asarray(video[..., :1]))
    merged = jax.tree.map(np.array, {name: dict(part) for name, part in fresh.items()})
    for collection, networks in merged.items():
        frame, trained = networks["frame"], variables[collection]["frame"]
        guidance = {name for name in frame if name.startswith("guidance_")}
        if _shapes({n: x for n, x in frame.items() if n not in guidance}) != _shapes(trained):
            raise ValueError("the 2D network has another size")
        zeros = {name: jax.tree.map(np.zeros_like, frame[name]) for name in guidance}
        networks["frame"] = {**jax.tree.map(np.array, dict(trained)), **zeros}
    volume = merged["params"]["volume"]
    volume[_LAST_OF_VOLUME] = jax.tree.map(np.zeros_like, volume[_LAST_OF_VOLUME])
    return merged


def guide_file(weights: str, config_path: str, output: str, *, seed: int = 0) -> None:
    """Makes the CombCN that a config asks for out of the 2D network of a weight file.

    Args:
      weights: the 2D network's .safetensors.
      config_path: of the CombCN's training.
      output: the .safetensors to write.
      seed: of the 3DCN's first weights.

    Raises:
      InputError: if anything of these is missing, broken or does not fit.
    """
    network, config = load_network(weights), load_config(config_path)
    if network.kind != KIND or network.module.guidance:
        got = f"{network.kind} with guidance" if network.kind == KIND else network.kind
        raise InputError(f"{weights}: expected a combcn without guidance, got a {got}")
    if config.task != "inpainting" or not config.model.guidance:
        raise InputError(f"{config_path}: expected a config of inpainting with guidance")
    if not os.path.isdir(os.path.dirname(os.path.abspath(output))):
        raise InputError(f"{output}: no such folder; make it first")
    fields = without_dtype(config.model.to_dict())
    mine, theirs = build_model(KIND, fields), network.module
    for name in _SHARED:
        expected, got = getattr(mine, name), getattr(theirs, name)
        if expected != got:
            raise InputError(f"{weights}: {name}: expected {expected}, as the config, got {got}")
    try:
        variables = guided(dict(network.variables), fields, jax.random.key(seed))
    except ValueError as error:
        raise InputError(f"{weights}: does not fit {config_path}: {error}") from None
    save_network(output, KIND, fields, variables, dtype="float32", about={"guided": weights})


def _shapes(variables: Any) -> Any:
    return jax.tree.map(np.shape, dict(variables))


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", required=True, help="the 2D network, a .safetensors file")
    parser.add_argument("--config", required=True, help="of the training of CombCN")
    parser.add_argument("--output", required=True, help="the .safetensors file to write")
    parser.add_argument("--seed", type=int, default=0, help="of the 3DCN's first weights")
    options = parser.parse_args(arguments)
    try:
        guide_file(options.weights, options.config, options.output, seed=options.seed)
    except InputError as error:
        sys.exit(f"guiding: {error}")
    print(f"{options.output}: written; give it as config.initial_checkpoint")


if __name__ == "__main__":
    main()
