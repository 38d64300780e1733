"""Fills the holes of training clips once: `python -m gif2video_jax.training.fill_clips --help`.

Filling holes along the motion takes six times as long as a step of the small network that corrects
it. This makes a folder of examples of an inpainting config, holes filled as its network would, and
`config.data.source=filled:FOLDER` trains on them (`filled_clips`).

    python -m gif2video_jax.training.fill_clips --config=configs/combcn_default.py \
      --source=packed:corpus.zip --output=filled --count=2000 --thick=0.3

`restoring.inpaint` fills thick holes at full size, and gives the network a quarter of it: a better
start than what fills the small hole. A share of the clips, `--thick`, is made so: boxes, at four
times the config's size and motion, made smaller once they are filled.
"""

import argparse
import functools
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
from jaxtyping import Array, Bool, Float, UInt8

from gif2video_jax.errors import InputError
from gif2video_jax.models.build import build_model
from gif2video_jax.models.combcn import CombCN
from gif2video_jax.ops.image import shrink, to_float, to_uint8
from gif2video_jax.training.filled_clips import ABOUT, ARRAYS, array_path
from gif2video_jax.training.inpainting_examples import InpaintingExamples
from gif2video_jax.training.trained import load_config

_AT_ONCE = 4  # clips that are filled together
_THICK = 4  # how many times larger clips with thick holes are filled
# Where a clip comes from, rather than what it is like.
_ORIGIN = ("source", "examples_per_batch", "engine")


def write_filled_clips(
    config: ml_collections.ConfigDict,
    output: str,
    *,
    counts: dict[str, int],
    thick_share: float = 0.0,
) -> None:
    """Makes examples of a config and fills their holes; the folder appears once it is whole.

    Args:
      config: of the task "inpainting"; `config.data.source` says what is drawn from.
      output: a folder that is not there yet.
      counts: how many of each split.
      thick_share: of the clips, 0 to less than 1, see the head of this file.

    Raises:
      InputError: if the config or its data do not serve, or the folder cannot be made.
    """
    if config.task != "inpainting":
        raise InputError(f"config.task: expected inpainting, got {config.task}")
    if not 0 <= thick_share < 1:
        raise InputError(f"--thick: expected 0 to less than 1, got {thick_share}")
    if os.path.exists(output):
        raise InputError(f"{output}: is there already; remove it, or name another folder")
    fields = {name: value for name, value in config.data.items() if name not in _ORIGIN}
    about = {"fill": config.model.fill, "source": config.data.source, "data": fields}
    about["thick_share"] = thick_share
    model: Any = build_model("combcn", config.model)
    try:
        beside = tempfile.mkdtemp(dir=os.path.dirname(os.path.abspath(output)), prefix=".filled.")
    except OSError as error:
        raise InputError(f"{output}: cannot be made: {error.strerror}") from None
    try:
        for number, (split, count) in enumerate(counts.items()):
            kinds = [fields, *_thick(fields)] if thick_share else [fields]
            makers = [
                InpaintingExamples(config.data.source, split=split, seed=config.seed + number, **f)
                for f in kinds
            ]
            batches = _batches(makers, count, thick_share)
            _write_split(model, batches, count, fields["size"], beside, split)
        with open(os.path.join(beside, ABOUT), "w", encoding="utf-8") as file:
            json.dump(about, file, indent=2)
        os.chmod(beside, 0o755)
        os.rename(beside, output)
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        raise


def _thick(fields: dict[str, Any]) -> list[dict[str, Any]]:
    """The data of clips with thick holes: boxes that rest, and boxes that move."""
    large = {**fields, "size": _THICK * fields["size"]}
    if "max_motion" in fields:
        large["max_motion"] = _THICK * fields["max_motion"]
    return [{**large, "masks": kind} for kind in ("box_fixed", "box_moving")]


def _batches(
    makers: Sequence[InpaintingExamples], count: int, thick_share: float
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Clips and their holes, a few at a time; thick ones evenly among the others."""
    given = [0] * len(makers)
    for number in range(-(-count // _AT_ONCE)):
        before, after = int(number * thick_share), int((number + 1) * thick_share)
        which = 1 + before % 2 if after > before else 0
        maker, start = makers[which], given[which]
        given[which] += _AT_ONCE
        made = [maker[i] for i in range(start, start + _AT_ONCE)]
        truth, mask = (np.concatenate([one[name] for one in made]) for name in ("truth", "mask"))
        yield truth, mask


def _write_split(
    model: CombCN,
    batches: Iterable[tuple[np.ndarray, np.ndarray]],
    count: int,
    size: int,
    folder: str,
    split: str,
) -> None:
    @functools.partial(jax.jit, static_argnames="factor")
    def fill(
        truth: UInt8[Array, "n t h h 3"], mask: Bool[Array, "n t h h"], factor: int
    ) -> tuple[UInt8[Array, "n t s s _"], ...]:
        video, hole = to_float(truth), mask.astype(jnp.float32)[..., None]
        small = [shrink(x, factor) for x in (video, hole, model.fill_holes(video, hole))]
        filled, seen = small[2][..., :3], small[2][..., 3:]
        return to_uint8(small[0]), _to_bytes(jnp.ceil(small[1])), to_uint8(filled), _to_bytes(seen)

    arrays: dict[str, np.ndarray] = {}
    for number, (truth, mask) in enumerate(batches):
        made = [np.asarray(x) for x in fill(truth, mask, factor=truth.shape[2] // size)]
        made[1], made[3] = made[1][..., 0] > 0, made[3][..., 0]
        for name, array in zip(ARRAYS, made, strict=True):
            if number == 0:
                path, shape = array_path(folder, split, name), (count, *array.shape[1:])
                arrays[name] = np.lib.format.open_memmap(path, "w+", array.dtype, shape)
                _reserve(path)
            start = number * _AT_ONCE
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


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition(":")[0])
    parser.add_argument("--config", required=True, help="of the network that will be trained")
    parser.add_argument("--source", required=True, help="config.data.source, such as packed:FILE")
    parser.add_argument("--output", required=True, help="the folder to make")
    parser.add_argument("--count", type=int, default=2000, help="clips for training")
    parser.add_argument("--validation", type=int, default=64, help="clips for validation")
    parser.add_argument("--thick", type=float, default=0.0, help="share with thick holes (0)")
    options = parser.parse_args()
    counts = {"train": options.count, "validation": options.validation}
    try:
        if min(counts.values()) < 1:
            raise InputError("--count and --validation: expected 1 or more")
        config = load_config(options.config)
        config.data.source = options.source
        write_filled_clips(config, options.output, counts=counts, thick_share=options.thick)
    except (InputError, ValueError) as error:
        sys.exit(f"fill_clips: {error}")
    except OSError as error:
        sys.exit(f"fill_clips: {options.output}: {error.strerror or error}")
    print(f"{options.output}: {counts['train']} clips, {counts['validation']} for validation")


if __name__ == "__main__":
    main()
