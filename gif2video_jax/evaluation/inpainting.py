"""Measures inpainting against OpenCV's, frame by frame, on clips that nobody trained on.

    python -m gif2video_jax.evaluation.inpainting [--output out/inpainting]
    python -m gif2video_jax.evaluation.inpainting --clips MY_VIDEOS --seed 7

Without a folder it fetches the public test clips of the open corpus. Each clip's middle square is
scaled to the paper's 128 pixels and gets holes of several kinds (`training.masks`), one after
another: the paper's boxes, in one place or another in each frame, strokes and text. Needs
opencv-python-headless.

  L1       mean |difference| to the truth in holes, levels of 255, mean over frames (the paper's)
  PSNR     in holes, dB, of the mean square over a clip's frames
  flicker  as L1, of the change from one frame to the next, where both have a hole
"""

import argparse
import dataclasses
import json
import pathlib
import sys
import time
from collections.abc import Callable, Sequence

import jax
import numpy as np
from jaxtyping import Bool, UInt8
from PIL import Image

from gif2video_jax.datasets.corpus_list import CLIP_SUFFIXES
from gif2video_jax.errors import InputError
from gif2video_jax.evaluation import pictures
from gif2video_jax.evaluation.benchmark.inputs import files_in, is_clip, public_files, read_clip
from gif2video_jax.evaluation.benchmark.options import at_least, measuring_parser
from gif2video_jax.ops.fill import fill_smoothly
from gif2video_jax.pretrained import Model, Network, load_model, load_network
from gif2video_jax.restoring.compilation import use_persistent_cache
from gif2video_jax.restoring.inpaint import Inpainter
from gif2video_jax.restoring.inpaint_file import inpainter_of
from gif2video_jax.training.masks import random_masks
from gif2video_jax.whole_files import write_whole

Frames = UInt8[np.ndarray, "t h w 3"]
Masks = Bool[np.ndarray, "t h w"]
Method = Callable[[Frames, Masks], Frames]

HOLES = {
    "box_fixed": "box, fixed",
    "box_moving": "box, moving",
    "strokes": "strokes",
    "text": "text",
}
SIZE = 128  # of the squares, the paper's
_RADIUS = 3  # of OpenCV's methods, their customary one


@dataclasses.dataclass(frozen=True)
class Score:
    """How far a completed clip is from the truth (see the head of this file)."""

    l1: float
    psnr: float
    flicker: float


@dataclasses.dataclass(frozen=True)
class Row:
    """One kind of hole, by one method: means over clips.

    Attributes:
      holes: the kind.
      method: its name.
      score: the mean over clips.
      by_clip: the score of each clip, the mean over its holes, by name.
    """

    holes: str
    method: str
    score: Score
    by_clip: dict[str, Score]


def score(completed: Frames, truth: Frames, masks: Masks) -> Score:
    """Measures one clip.

    Args:
      completed: in [0, 255].
      truth: likewise.
      masks: True in holes; each frame has one.
    """
    difference = completed.astype(np.int32) - truth
    l1 = np.mean([np.abs(d[m]).mean() for d, m in zip(difference, masks, strict=True)])
    both = masks[1:] & masks[:-1]
    changes = [
        np.abs(change[mask]).mean()
        for change, mask in zip(np.diff(difference, axis=0), both, strict=True)
        if mask.any()
    ]
    with np.errstate(divide="ignore"):
        psnr = 10 * np.log10(255**2 / np.square(difference[masks]).mean())
    return Score(float(l1), float(psnr), float(np.mean(changes)) if changes else 0.0)


def methods(model: Model, baseline: str | None) -> dict[str, Method]:
    """What is compared, by name.

    Args:
      model: with an inpainter.
      baseline: the file of a network without guidance; None leaves it out.

    Raises:
      InputError: OpenCV is missing, or there is no such network.
    """
    try:
        import cv2
    except ImportError:
        raise InputError("needs OpenCV: pip install opencv-python-headless") from None

    def opencv(flag: int) -> Method:
        def run(frames, masks):
            holes = masks.astype(np.uint8)
            return np.stack(
                [cv2.inpaint(f, m, _RADIUS, flag) for f, m in zip(frames, holes, strict=True)]
            )

        return run

    def ours(inpainter: Inpainter) -> Method:
        return lambda frames, masks: np.stack(list(inpainter.fill(frames, masks)))

    found: dict[str, Method] = {
        "Telea": opencv(cv2.INPAINT_TELEA),
        "Navier-Stokes": opencv(cv2.INPAINT_NS),
        "smooth fill": _smooth,
    }
    if baseline is not None:
        found["2D network"] = ours(Inpainter(load_network(baseline)))
    combined = inpainter_of(model)  # says so if there is none
    alone = fill_alone(model.inpainter)
    if alone is not None:
        found["fill alone"] = ours(Inpainter(alone))
    found["CombCN"] = ours(combined)
    return found


def fill_alone(network: Network | None) -> Network | None:
    """What a network starts from, by the same windows and tiles: its weights are all zero.

    Returns:
      None if the network does not add to a fill.
    """
    if network is None or getattr(network.module, "composition", "direct") != "residual":
        return None
    zeros = jax.tree.map(np.zeros_like, dict(network.variables))
    return dataclasses.replace(network, variables=zeros)


def middle_squares(
    files: Sequence[pathlib.Path], *, size: int, num_frames: int, seed: int
) -> dict[str, Frames]:
    """The middle squares of clips, by name.

    Raises:
      InputError: a file cannot be read.
    """
    clips = {}
    for path in files:
        frames = read_clip(path, 4 * size, num_frames, seed).frames
        clips[path.stem] = np.stack([_middle_square(frame, size) for frame in frames])
    return clips


def measure(
    clips: dict[str, Frames],
    compared: dict[str, Method],
    *,
    seed: int,
    draws: int = 1,
    kinds: Sequence[str] = tuple(HOLES),
) -> tuple[list[Row], list[list[np.ndarray]]]:
    """Measures all methods on all clips and kinds of hole.

    Args:
      clips: by name.
      compared: by name.
      seed: chooses the holes.
      draws: how many holes of a kind each clip gets, one after another.
      kinds: of holes; which others there are changes nothing.

    Returns:
      The rows, and for a picture a row of frames for each kind: hole, methods, truth.
    """
    rows, shown = [], []
    for kind in kinds:
        kind_number = list(HOLES).index(kind)
        scores: dict[str, dict[str, Score]] = {name: {} for name in compared}
        for clip_number, (clip_name, truth) in enumerate(clips.items()):
            rngs = [
                np.random.default_rng([seed, kind_number, clip_number, d]) for d in range(draws)
            ]
            num_frames, height, width = truth.shape[:3]
            holes = [random_masks(rng, num_frames, height, width, kind) for rng in rngs]
            middle = num_frames // 2
            row = [np.where(holes[0][middle, ..., None], np.uint8(255), truth[middle])]
            for name, method in compared.items():
                completed = [method(np.where(m[..., None], np.uint8(0), truth), m) for m in holes]
                by_hole = [score(c, truth, m) for c, m in zip(completed, holes, strict=True)]
                scores[name][clip_name] = _mean(by_hole)
                row.append(completed[0][middle])
            if clip_number == kind_number % len(clips):
                shown.append([*row, truth[middle]])
        for name, by_clip in scores.items():
            rows.append(Row(kind, name, _mean([*by_clip.values()]), by_clip))
    return rows, shown


def _mean(scores: Sequence[Score]) -> Score:
    fields = [field.name for field in dataclasses.fields(Score)]
    return Score(*(float(np.mean([getattr(s, name) for s in scores])) for name in fields))


def markdown(rows: Sequence[Row]) -> str:
    """A table: a line for each method, L1 / PSNR / flicker for each kind of hole."""
    kinds = list(dict.fromkeys(row.holes for row in rows))
    names = list(dict.fromkeys(row.method for row in rows))
    cells = {(row.holes, row.method): row.score for row in rows}
    lines = [
        "| L1 / PSNR / flicker | " + " | ".join(HOLES[kind] for kind in kinds) + " |",
        "|---" * (len(kinds) + 1) + "|",
    ]
    for name in names:
        values = [cells[kind, name] for kind in kinds]
        texts = [f"{value.l1:.2f} / {value.psnr:.1f} / {value.flicker:.2f}" for value in values]
        lines.append(f"| {name} | " + " | ".join(texts) + " |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code: 0 done, 1 bad input."""
    options = _parser().parse_args(arguments)
    begin = time.perf_counter()
    try:
        use_persistent_cache()
        compared = methods(load_model(options.weights or options.model), options.baseline)
        if options.clips is None:
            found = public_files(options.data, lambda line: print(line, file=sys.stderr))
            files = [path for path in found if is_clip(path)]
        else:
            files = files_in(options.clips, CLIP_SUFFIXES)
        clips = middle_squares(
            files, size=options.size, num_frames=options.frames, seed=options.seed
        )
        rows, shown = measure(
            clips, compared, seed=options.seed, draws=options.draws, kinds=options.kinds
        )
        _write(options, rows, shown, [*compared], clips, time.perf_counter() - begin)
    except InputError as error:
        print(f"inpainting: error: {error}", file=sys.stderr)
        return 1
    print(markdown(rows))
    return 0


def _write(options, rows, shown, names, clips, seconds: float) -> None:
    options.output.mkdir(parents=True, exist_ok=True)
    result = {
        "seed": options.seed,
        "draws": options.draws,
        "clips": {name: list(frames.shape) for name, frames in clips.items()},
        "rows": [dataclasses.asdict(row) for row in rows],
        "device": jax.devices()[0].device_kind,
        "seconds": seconds,
    }
    write_whole(options.output / "inpainting.json", json.dumps(result, indent=1).encode())
    write_whole(options.output / "inpainting.md", (markdown(rows) + "\n").encode())
    page = pictures.sheet(shown, ["hole", *names, "truth"])
    pictures.write_png(options.output / "inpainting.png", page)


def _smooth(frames: Frames, masks: Masks) -> Frames:
    """What surrounds the hole, continued smoothly: what the networks start from."""
    known = 1 - masks[..., None].astype(np.float32)
    filled = np.asarray(jax.jit(fill_smoothly)(frames.astype(np.float32), known))
    return np.where(masks[..., None], np.round(filled).astype(np.uint8), frames)


def _middle_square(frame: UInt8[np.ndarray, "h w 3"], size: int) -> UInt8[np.ndarray, "s s 3"]:
    height, width = frame.shape[:2]
    side = min(height, width)
    left, top = (width - side) // 2, (height - side) // 2
    image = Image.fromarray(frame).resize(
        (size, size), Image.Resampling.LANCZOS, box=(left, top, left + side, top + side)
    )
    return np.asarray(image)


def _parser() -> argparse.ArgumentParser:
    parser = measuring_parser("gif2video_jax.evaluation.inpainting", __doc__)
    add = parser.add_argument
    add("--seed", type=int, default=0, help="chooses frames and holes")
    add("--frames", type=at_least(2), default=24, help="of each clip (default: 24)")
    add("--draws", type=at_least(1), default=4, help="holes of each kind in each clip (default: 4)")
    add("--kinds", nargs="+", choices=HOLES, default=list(HOLES), help="of holes (default: all)")
    add(
        "--size",
        type=at_least(32),
        default=SIZE,
        help=f"side of the squares in pixels (default: {SIZE})",
    )
    add("--baseline", metavar="FILE", help="a network without guidance, to compare with")
    return parser


if __name__ == "__main__":
    sys.exit(main())
