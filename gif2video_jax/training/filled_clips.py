"""Clips whose holes are filled already: `python -m gif2video_jax.training.filled_clips --help`.

Filling holes along the motion takes six times as long as a step of the small network that corrects
it. This makes a folder of examples of an inpainting config, holes filled as its network would, and
`config.data.source=filled:FOLDER` trains on them: each is used many times, mirrored, turned,
transposed and played backwards at random, which a fill follows but for rounding and ties.

    python -m gif2video_jax.training.filled_clips --config=configs/combcn_default.py \
      --source=packed:corpus.zip --output=filled --count=2000

The folder holds `about.json` and, of each split, memory-mapped arrays: truth and filled, uint8
(k, t, s, s, 3), mask, bool (k, t, s, s), and seen, uint8 (k, t, s, s): how far a pixel is known or
was seen in other frames, 255 for all.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
from typing import Any

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
from jaxtyping import Array, Bool, Float, UInt8

from gif2video_jax.errors import InputError
from gif2video_jax.models.build import build_model
from gif2video_jax.models.combcn import CombCN
from gif2video_jax.ops.image import to_float, to_uint8
from gif2video_jax.training.inpainting_examples import InpaintingExamples
from gif2video_jax.training.trained import load_config

SCHEME = "filled:"
_ARRAYS = ("truth", "mask", "filled", "seen")
_ABOUT = "about.json"
_AT_ONCE = 4  # clips that are filled together
# Where a clip comes from, rather than what it is like.
_ORIGIN = ("source", "examples_per_batch", "engine")


def inpainting_examples(corpus: str, **fields: Any) -> "InpaintingExamples | FilledClips":
    """The examples of a source: a corpus whose clips get holes, or clips filled before."""
    if corpus.startswith(SCHEME):
        return FilledClips(corpus.removeprefix(SCHEME), **fields)
    return InpaintingExamples(corpus, **fields)


class FilledClips:
    """The examples of a folder that `write_filled_clips` made, in random order and symmetries."""

    def __init__(self, folder: str, *, split: str, seed: int, **fields: Any):
        """Opens the folder; arrays are read as they are needed.

        Args:
          folder: the folder.
          split: "train" or "validation"; the latter comes in order, and as it was made.
          seed: of the order and of the symmetries.
          **fields: of `config.data`, which must be those that the folder was made with.

        Raises:
          InputError: if there is no such folder, or its clips were made with other fields.
        """
        self._seed, self._as_made = seed, split == "validation"
        self._paths = {name: _path(folder, split, name) for name in _ARRAYS}
        try:
            with open(os.path.join(folder, _ABOUT), encoding="utf-8") as file:
                about = json.load(file)
            self._arrays = self._opened()
        except (OSError, ValueError) as error:
            raise InputError(
                f"{folder}: expected a folder of filled clips, made by "
                f"python -m gif2video_jax.training.filled_clips ({error})"
            ) from None
        self.fill = about["fill"]
        for name, value in fields.items():
            if about["data"].get(name, value) != value:
                raise InputError(
                    f"config.data.{name}: expected {about['data'][name]!r}, which the clips of "
                    f"{folder} were made with, got {value!r}"
                )

    def __getstate__(self) -> dict[str, Any]:
        """For data workers: what is mapped here would travel whole, and stay in their memory."""
        return {name: value for name, value in vars(self).items() if name != "_arrays"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Maps the arrays anew."""
        vars(self).update(state)
        self._arrays = self._opened()

    def _opened(self) -> dict[str, np.ndarray]:
        return {name: np.load(path, mmap_mode="r") for name, path in self._paths.items()}

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        """Example `index`: one clip, see the head of this file, with a first axis of 1."""
        count = len(self._arrays["truth"])
        if self._as_made:
            return self._clip(index % count)
        rng = np.random.default_rng([self._seed, index])
        clip = self._clip(int(rng.integers(count)))
        turns, mirrored, backwards = int(rng.integers(4)), rng.random() < 0.5, rng.random() < 0.5
        return {name: _moved(x, turns, mirrored, backwards) for name, x in clip.items()}

    def _clip(self, number: int) -> dict[str, np.ndarray]:
        return {name: np.array(x[number : number + 1]) for name, x in self._arrays.items()}


def _moved(x: np.ndarray, turns: int, mirrored: bool, backwards: bool) -> np.ndarray:
    """One of the sixteen symmetries of a clip of square frames; axes are (1, t, s, s, ...)."""
    x = np.rot90(x, turns, axes=(2, 3))
    x = x[:, :, :, ::-1] if mirrored else x
    return np.ascontiguousarray(x[:, ::-1] if backwards else x)


def write_filled_clips(
    config: ml_collections.ConfigDict, output: str, *, counts: dict[str, int]
) -> None:
    """Makes examples of a config and fills their holes; the folder appears once it is whole.

    Args:
      config: of the task "inpainting"; `config.data.source` says what is drawn from.
      output: a folder that is not there yet.
      counts: how many of each split.

    Raises:
      InputError: if the config or its data do not serve, or the folder cannot be made.
    """
    if config.task != "inpainting":
        raise InputError(f"config.task: expected inpainting, got {config.task}")
    if os.path.exists(output):
        raise InputError(f"{output}: is there already; remove it, or name another folder")
    fields = {name: value for name, value in config.data.items() if name not in _ORIGIN}
    about = {"fill": config.model.fill, "source": config.data.source, "data": fields}
    model: Any = build_model("combcn", config.model)
    try:
        beside = tempfile.mkdtemp(dir=os.path.dirname(os.path.abspath(output)), prefix=".filled.")
    except OSError as error:
        raise InputError(f"{output}: cannot be made: {error.strerror}") from None
    try:
        for number, (split, count) in enumerate(counts.items()):
            maker = InpaintingExamples(
                config.data.source, split=split, seed=config.seed + number, **fields
            )
            _write_split(model, maker, count, beside, split)
        with open(os.path.join(beside, _ABOUT), "w", encoding="utf-8") as file:
            json.dump(about, file, indent=2)
        os.chmod(beside, 0o755)
        os.rename(beside, output)
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        raise


def _write_split(model: CombCN, maker: InpaintingExamples, count: int, folder: str, split: str):
    @jax.jit
    def fill(
        truth: UInt8[Array, "n t s s 3"], mask: Bool[Array, "n t s s"]
    ) -> tuple[UInt8[Array, "n t s s 3"], UInt8[Array, "n t s s"]]:
        found = model.fill_holes(to_float(truth), mask.astype(jnp.float32)[..., None])
        return to_uint8(found[..., :3]), _to_bytes(found[..., 3])

    arrays: dict[str, np.ndarray] = {}
    for start in range(0, count, _AT_ONCE):
        made = [maker[i] for i in range(start, start + _AT_ONCE)]
        truth, mask = (np.concatenate([one[name] for one in made]) for name in ("truth", "mask"))
        filled, seen = (np.asarray(x) for x in fill(truth, mask))
        batch = dict(zip(_ARRAYS, (truth, mask, filled, seen), strict=True))
        for name, array in batch.items():
            if start == 0:
                path, shape = _path(folder, split, name), (count, *array.shape[1:])
                arrays[name] = np.lib.format.open_memmap(path, "w+", array.dtype, shape)
                _reserve(path)
            arrays[name][start : start + _AT_ONCE] = array[: count - start]
    for array in arrays.values():
        array.flush()  # type: ignore[attr-defined]  # a numpy.memmap


def _reserve(path: str) -> None:
    """Takes a mapped file's place on the disk: on a full one, writing would end the process."""
    if hasattr(os, "posix_fallocate"):
        with open(path, "r+b") as file:
            os.posix_fallocate(file.fileno(), 0, os.path.getsize(path))


def _to_bytes(share: Float[Array, "*shape"]) -> UInt8[Array, "*shape"]:
    return jnp.round(255 * share).astype(jnp.uint8)


def _path(folder: str, split: str, name: str) -> str:
    return os.path.join(folder, f"{split}_{name}.npy")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition(":")[0])
    parser.add_argument("--config", required=True, help="of the network that will be trained")
    parser.add_argument("--source", required=True, help="config.data.source, such as packed:FILE")
    parser.add_argument("--output", required=True, help="the folder to make")
    parser.add_argument("--count", type=int, default=2000, help="clips for training")
    parser.add_argument("--validation", type=int, default=64, help="clips for validation")
    options = parser.parse_args()
    counts = {"train": options.count, "validation": options.validation}
    try:
        if min(counts.values()) < 1:
            raise InputError("--count and --validation: expected 1 or more")
        config = load_config(options.config)
        config.data.source = options.source
        write_filled_clips(config, options.output, counts=counts)
    except (InputError, ValueError) as error:
        sys.exit(f"filled_clips: {error}")
    except OSError as error:
        sys.exit(f"filled_clips: {options.output}: {error.strerror or error}")
    print(f"{options.output}: {counts['train']} clips, {counts['validation']} for validation")


if __name__ == "__main__":
    main()
