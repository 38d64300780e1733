"""A narrower network that starts from a trained wide one: `python -m ...narrowing --help`.

Training a small network from nothing repeats what a larger one has learned. This keeps the channels
of the larger one that matter most (what they vary by on real pictures, times the weights that read
them), leaves out its last residual blocks, and puts the mean of what is left out into the biases.
Where enlarged channels are projected to fewer (`upsampling` "transposed_narrow") the projection is
the one of least squares. The result is worse than the large network at once, and after a short
training close to it; docs/results.md has figures.

Both networks are CCDNet-1 without normalisation, of as many levels; channels of the narrow one are
at most as many as the wide one's, and so are its blocks.
"""

import argparse
import dataclasses
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from gif2video_jax.errors import InputError
from gif2video_jax.network_files import Network, load_network, save_network
from gif2video_jax.training.dequantization_task import frame_inputs
from gif2video_jax.training.examples import DequantizationExamples
from gif2video_jax.training.export import without_dtype
from gif2video_jax.training.trained import load_config

KIND = "ccdnet1"


class _Channels(NamedTuple):
    """A wide array in terms of a narrow one: wide = narrow @ matrix.T + offset."""

    matrix: Float[np.ndarray, "wide narrow"]
    offset: Float[np.ndarray, " wide"]


class _Statistics(NamedTuple):
    """Of an array's channels on real pictures.

    Attributes:
      mean: of each.
      products: mean product of each two.
    """

    mean: Float[np.ndarray, " c"]
    products: Float[np.ndarray, "c c"]


@dataclasses.dataclass
class _Narrowing:
    """Builds the narrow U-Net's parameters, stage after stage.

    Attributes:
      wide: the trained U-Net's parameters.
      statistics: of what each stage and each enlargement gives.
      means: of the channels inside of stages, by stage and convolution.
      params: of the narrow one, as far as they are made.
    """

    wide: Mapping[str, Any]
    statistics: Mapping[str, _Statistics]
    means: Mapping[str, Mapping[str, np.ndarray]]
    params: dict[str, Any] = dataclasses.field(default_factory=dict)

    def stage(
        self, name: str, inputs: Sequence[_Channels], channels: int, blocks: int, readers: Sequence
    ) -> _Channels:
        """Narrows a stage.

        Args:
          name: of the stage.
          inputs: the arrays that it reads.
          channels: that it is to keep.
          blocks: residual blocks that it is to keep.
          readers: the kernels that read its result.

        Returns:
          Its result.
        """
        wide, narrow = self.wide[name], {}
        weights = [_rows(kernel) for kernel in readers]
        weights += [_rows(wide[f"block_{i}_in"]["kernel"]) for i in range(blocks)]
        mean, products = self.statistics[name]
        power = (np.diag(products) - mean**2) * sum(np.sum(w**2, axis=1) for w in weights)
        kept = np.sort(np.argsort(-power)[:channels])
        first, second = wide["convolution_0"], wide["convolution_1"]
        ends = np.cumsum([len(array.offset) for array in inputs])[:-1]
        parts = np.split(first["kernel"].astype(np.float64), ends, axis=2)
        kernels, bias = [], first["bias"]
        for part, array in zip(parts, inputs, strict=True):
            kernels.append(np.einsum("ijwo,wn->ijno", part, array.matrix))
            bias = bias + np.einsum("ijwo,w->o", part, array.offset)
        kernel = np.concatenate(kernels, axis=2)
        narrow["convolution_0"] = _convolution(kernel[..., kept], bias[kept])
        narrow["convolution_1"] = _selected(second, kept, kept, self.means[name]["convolution_0"])
        offset = np.where(np.isin(np.arange(len(mean)), kept), 0.0, mean)
        for index in range(blocks):
            inner, outer = wide[f"block_{index}_in"], wide[f"block_{index}_out"]
            norms = np.linalg.norm(_rows(outer["kernel"]), axis=1)
            norms = norms * np.linalg.norm(_rows(np.swapaxes(inner["kernel"], 2, 3)), axis=1)
            hidden = np.sort(np.argsort(-norms)[:channels])
            hidden_mean = self.means[name][f"block_{index}_in"]
            narrow[f"block_{index}_in"] = _selected(inner, kept, hidden, mean)
            narrow[f"block_{index}_out"] = _selected(outer, hidden, kept, hidden_mean)
        self.params[name] = narrow
        return _Channels(np.eye(len(mean))[:, kept], offset)

    def enlargement(self, name: str, array: _Channels, channels: int, reader) -> _Channels:
        """Narrows what enlarges `array` to a number of channels, which `reader` reads."""
        kernel, bias = (self.wide[name][k].astype(np.float64) for k in ("kernel", "bias"))
        size = kernel.shape[-1]
        project, expand = np.eye(size), np.eye(size)
        if channels < size:
            # The best channels for what reads them: x W, with x weighted as it occurs.
            values, vectors = np.linalg.eigh(self.statistics[name].products)
            root = np.sqrt(np.maximum(values, 1e-6 * values.max()))
            left, _, _ = np.linalg.svd((vectors * root).T @ _rows(reader), full_matrices=False)
            project = (vectors / root) @ left[:, :channels]
            expand = (vectors * root) @ left[:, :channels]
        bias = bias + np.einsum("ijwo,w->ijo", kernel, array.offset).mean(axis=(0, 1))
        narrow = np.einsum("ijwo,wn,oc->ijnc", kernel, array.matrix, project)
        self.params[name] = _convolution(narrow, bias @ project)
        return _Channels(expand, np.zeros(size))


def narrowed(
    network: Network,
    unet: Mapping[str, Any],
    gif: Float[Array | np.ndarray, "n h w 3"],
    geometry: Float[Array | np.ndarray, "n h w g"] | None,
) -> dict[str, Any]:
    """Variables of a narrower CCDNet-1 that does nearly what a wide one does.

    Args:
      network: the wide CCDNet-1.
      unet: fields of the narrow U-Net.
      gif: GIF frames in [-1, 1] to see what matters on.
      geometry: palette geometry of each pixel, if the network reads it.

    Raises:
      InputError: if the narrow one is wider somewhere, or differs in more than its widths.
    """
    wide = network.module.unet
    check_widths(wide, unet, asked="narrow")
    for name, like in (("stage_blocks", "stage_channels"), ("up_blocks", "up_channels")):
        unet = {**unet, name: unet.get(name) or [0] * len(unet[like])}
    params = jax.tree.map(np.asarray, dict(network.variables["params"]["unet"]))
    result = _Narrowing(params, *_statistics(network, gif, geometry))
    levels = len(unet["stage_channels"])
    stages = ["stem", *(f"down_{level}" for level in range(1, levels))]

    def first(name: str) -> np.ndarray:
        return params[name]["convolution_0"]["kernel"]

    inputs = first("stem").shape[2]
    skips = [_Channels(np.eye(inputs), np.zeros(inputs))]
    for level, name in enumerate(stages):
        size = wide["stage_channels"][level]
        if level == levels - 1:
            readers = [params["enlarge_1"]["kernel"]]
        else:
            beside = first(f"up_{levels - 1 - level}")[:, :, :size]
            readers = [first(stages[level + 1]), beside]
        channels, blocks = unet["stage_channels"][level], unet["stage_blocks"][level]
        skips.append(result.stage(name, [skips[-1]], channels, blocks, readers))
    array = skips.pop()
    for index in range(1, levels):
        skip = skips.pop()
        is_narrow = unet.get("upsampling") == "transposed_narrow"
        channels = (skip if is_narrow else array).matrix.shape[1]
        reader = first(f"up_{index}")[:, :, len(skip.offset) :]
        enlarged = result.enlargement(f"enlarge_{index}", array, channels, reader)
        follower = params["head" if index == levels - 1 else f"enlarge_{index + 1}"]["kernel"]
        channels, blocks = unet["up_channels"][index - 1], unet["up_blocks"][index - 1]
        array = result.stage(f"up_{index}", [skip, enlarged], channels, blocks, [follower])
    kernel = params["head"]["kernel"]
    bias = params["head"]["bias"] + array.offset @ kernel[0, 0]
    head = np.einsum("ijwo,wn->ijno", kernel, array.matrix)
    result.params["head"] = _convolution(head, bias)
    return {"params": {"unet": result.params}}


def check_widths(wide: Mapping[str, Any], narrow: Mapping[str, Any], *, asked: str) -> None:
    """Refuses two U-Nets that do not differ in their widths alone, one at least the other's.

    Args:
      wide: fields of the wider one.
      narrow: fields of the narrower one.
      asked: "wide" or "narrow": which of them a config asks for, and is to be named.

    Raises:
      InputError: if they do not.
    """
    given, other = (narrow, wide) if asked == "narrow" else (wide, narrow)
    bound, sign = ("most", 1) if asked == "narrow" else ("least", -1)
    widths = ("stage_channels", "up_channels", "stage_blocks", "up_blocks")
    for name in widths:
        sizes, wanted = list(other.get(name, ())), list(given.get(name, ()))
        if len(sizes) != len(wanted) or any(
            sign * w > sign * s for w, s in zip(wanted, sizes, strict=True)
        ):
            raise InputError(
                f"config.model.unet.{name}: expected {len(sizes)} numbers of at {bound} {sizes}, "
                f"got {wanted}"
            )
    trained = "wide" if asked == "narrow" else "narrow"
    if other.get("norm", "batch") != "none" or not other.get("residual_stages"):
        raise InputError(f"the {trained} network: expected norm 'none' and residual_stages")
    if not str(other.get("upsampling", "transposed")).startswith("transposed"):
        raise InputError(f"the {trained} network: expected upsampling 'transposed'")
    for name in {*wide, *narrow} - {*widths, "upsampling", "dtype", "zero_head"}:
        if wide.get(name) != narrow.get(name):
            raise InputError(
                f"config.model.unet.{name}: expected the {trained} network's {other.get(name)!r}, "
                f"got {given.get(name)!r}"
            )


def _statistics(network: Network, gif, geometry) -> tuple[dict[str, _Statistics], dict]:
    """`_Narrowing.statistics` and `means` of a network on GIF frames."""
    slope = network.module.unet.get("negative_slope", 0.0)

    def run(variables, gif, geometry):
        arguments = (variables, gif, geometry)
        _, state = network.module.apply(
            *arguments, capture_intermediates=True, mutable=["intermediates"]
        )
        statistics, means = {}, {}
        for name, values in state["intermediates"]["unet"].items():
            if name == "__call__":  # of the U-Net itself
                continue
            x = values["__call__"][0]
            x = x.reshape(-1, x.shape[-1])
            statistics[name] = _Statistics(x.mean(axis=0), x.T @ x / len(x))
            means[name] = {
                inner: nn.leaky_relu(value["__call__"][0], slope).mean(axis=(0, 1, 2))
                for inner, value in values.items()
                if inner != "__call__"
            }
        return statistics, means

    found = jax.jit(run)(network.variables, gif, geometry)
    return jax.tree.map(lambda x: np.asarray(x, np.float64), found)


def _selected(
    layer: Mapping[str, np.ndarray], inputs: np.ndarray, outputs: np.ndarray, mean: np.ndarray
) -> dict[str, np.ndarray]:
    """A convolution of some of its inputs, with the others' mean in its bias."""
    kernel = layer["kernel"].astype(np.float64)[..., outputs]
    lost = np.where(np.isin(np.arange(kernel.shape[2]), inputs), 0.0, mean)
    bias = layer["bias"][outputs] + np.einsum("ijwo,w->o", kernel, lost)
    return _convolution(kernel[:, :, inputs], bias)


def _rows(kernel: np.ndarray) -> Float[np.ndarray, "c _"]:
    """A kernel (i, j, in, out) as a matrix with a row for each input channel."""
    return np.moveaxis(kernel.astype(np.float64), 2, 0).reshape(kernel.shape[2], -1)


def _convolution(kernel: np.ndarray, bias: np.ndarray) -> dict[str, np.ndarray]:
    return {"kernel": kernel.astype(np.float32), "bias": bias.astype(np.float32)}


def asked_for(weights: str, config_path: str, output: str) -> tuple[Network, dict[str, Any]]:
    """The trained CCDNet-1 of a weight file, and the fields of the one that a config trains.

    Raises:
      InputError: if either is none, or the output's folder isn't there.
    """
    network, config = load_network(weights), load_config(config_path)
    if network.kind != KIND or config.task != "dequantization":
        raise InputError(f"{weights}: expected a ccdnet1 and a config of dequantization")
    if not os.path.isdir(os.path.dirname(os.path.abspath(output))):
        raise InputError(f"{output}: no such folder; make it first")
    return network, without_dtype(config.model.to_dict())


def narrow_file(
    weights: str, config_path: str, output: str, *, corpus: str, num_frames: int = 64
) -> None:
    """Narrows the network of a weight file to what a config asks for, and writes it as another.

    Args:
      weights: the wide CCDNet-1's .safetensors.
      config_path: of the narrow one's training.
      output: the .safetensors to write.
      corpus: of training pictures, see `sources.open_source`.
      num_frames: GIF frames to see what matters on.

    Raises:
      InputError: if anything of these is missing, broken or does not fit.
    """
    network, fields = asked_for(weights, config_path, output)
    examples = DequantizationExamples(corpus, patch_size=128, patches_per_frame=1)
    chosen = [examples[index] for index in range(num_frames)]
    batch = {name: jnp.asarray(np.concatenate([e[name] for e in chosen])) for name in chosen[0]}
    inputs = frame_inputs(batch, fields.get("geometry_channels", 0))
    variables = narrowed(network, fields["unet"], inputs.gif, inputs.geometry)
    save_network(output, KIND, fields, variables, dtype="float32", about={"narrowed": weights})


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", required=True, help="the wide network, a .safetensors file")
    parser.add_argument("--config", required=True, help="of the narrow network's training")
    parser.add_argument("--output", required=True, help="the .safetensors file to write")
    parser.add_argument("--corpus", required=True, help="training pictures, as config.data.corpus")
    arguments = parser.parse_args()
    try:
        narrow_file(arguments.weights, arguments.config, arguments.output, corpus=arguments.corpus)
    except InputError as error:
        sys.exit(f"narrowing: {error}")
    print(f"{arguments.output}: written; give it as config.initial_checkpoint")


if __name__ == "__main__":
    main()
