"""Evaluates a training's network by the paper's protocols (GIF2Video, sections 5 and 6).

    python -m gif2video_jax.training.train --mode=evaluate --config=FILE --workdir=DIR
    python -m gif2video_jax.training.evaluation --workdir=DIR [--config=FILE] [--output=FILE.json]
      [--max_videos=N]

Colours: every frame of every validation video. PSNR from the frame's RMSE and SSIM as
scikit-image's defaults for colour, of floats in [-1, 1]; means over a video's frames, then over
videos. A packed corpus or a folder has stills for this: videos of one frame.

Time: clips of T + 1 frames, every `config.evaluation.stride` frames (T + 1 for faces, 10 for
moments). Temporal PSNR is from one RMSE over the whole clip, both end frames included; SSIM is a
mean over its frames. Means over a video's clips, then over videos. The baseline shows the GIF's
nearest key frame, the first one up to t = 0.5.

GIFs are those that the data set stores, or made as `config.data.recipe` says; recipes that draw at
random ("wild") draw by the frame's number, so that two evaluations see the same GIFs.
"""

import argparse
import dataclasses
import json
import os
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import jax
import ml_collections
import numpy as np
from jaxtyping import Float, UInt8

from gif2video_jax.errors import InputError
from gif2video_jax.evaluation.metrics import ClipScore, FrameScore
from gif2video_jax.gifs.palette import Palette, palette_geometry
from gif2video_jax.ops.compiling import convolution_options
from gif2video_jax.training.corpus import Item, Source
from gif2video_jax.training.examples import STORED, make_gif_frame
from gif2video_jax.training.sources import open_source
from gif2video_jax.training.trained import load_config, load_trained, stored_config
from gif2video_jax.whole_files import write_whole

COLOUR_TASKS = ("dequantization", "refinement")
TIME_TASKS = ("clip_interpolation",)
_SEED = 1_000_003  # of GIFs that are made here; training draws others
_LARGEST_PSNR = 100.0  # of frames that are equal to the truth, so that means stay finite


@dataclasses.dataclass(frozen=True)
class VideoResult:
    """Means over a video's frames, or over its clips.

    Attributes:
      video: its name.
      units: how many frames or clips.
      gif: the baseline's score.
      restored: the network's score.
    """

    video: str
    units: int
    gif: FrameScore
    restored: FrameScore


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """What an evaluation found.

    Attributes:
      task: of the config.
      step: of the checkpoint.
      source: of the data.
      recipe: how GIFs were made.
      videos: the result of each.
    """

    task: str
    step: int
    source: str
    recipe: str
    videos: Sequence[VideoResult]

    @property
    def gif(self) -> FrameScore:
        """The baseline's means over videos."""
        return mean_score([video.gif for video in self.videos])

    @property
    def restored(self) -> FrameScore:
        """The network's means over videos."""
        return mean_score([video.restored for video in self.videos])

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        found = dataclasses.asdict(self)
        return found | {
            "gif": dataclasses.asdict(self.gif),
            "restored": dataclasses.asdict(self.restored),
        }

    def __str__(self) -> str:
        """A table in Markdown."""
        unit = "clips" if self.task in TIME_TASKS else "frames"
        count = sum(video.units for video in self.videos)
        rows = [f"| GIF | {_numbers(self.gif)} |", f"| restored | {_numbers(self.restored)} |"]
        return "\n".join(
            [
                f"{self.task}, step {self.step}, {self.source} ({self.recipe}): "
                f"{len(self.videos)} videos, {count} {unit}",
                "",
                f"| | {'temporal ' if self.task in TIME_TASKS else ''}PSNR dB | SSIM |",
                "|---|---|---|",
                *rows,
            ]
        )


def evaluate_checkpoint(
    config: ml_collections.ConfigDict, workdir: str, *, max_videos: int | None = None
) -> Evaluation:
    """Evaluates the averaged network of a training's newest checkpoint on its validation data.

    Args:
      config: of the training.
      workdir: of the training.
      max_videos: only so many, evenly out of all; None for all, as the paper has it.

    Raises:
      InputError: if there is no checkpoint, there are no data, or the task has no protocol.
    """
    if config.task not in COLOUR_TASKS + TIME_TASKS:
        raise InputError(
            f"config.task: the paper has protocols for {', '.join(COLOUR_TASKS + TIME_TASKS)}, "
            f"not for {config.task!r}"
        )
    trained = load_trained(workdir, config)
    kind = "clip" if config.task in TIME_TASKS else "still"
    name = config.data.get("source") or config.data.get("corpus", "")
    source = open_source(name, split="validation", kind=kind)
    items = source.items
    if max_videos is not None and max_videos < len(items):
        items = [items[i * len(items) // max_videos] for i in range(max_videos)]
    task: Any = trained.task
    function = task.clips if config.task in TIME_TASKS else task.compared
    compare = jax.jit(function, compiler_options=convolution_options())
    frames = GifFrames(source, config.data.get("recipe", "wild"))
    evaluate = _clip_results if config.task in TIME_TASKS else _frame_results
    results = []
    for item in items:
        found = list(evaluate(config, trained.state, compare, frames, item))
        if found:  # a video may be shorter than a clip
            gif, restored = zip(*found, strict=True)
            scores = mean_score(gif), mean_score(restored)
            results.append(VideoResult(item.group, len(found), *scores))
    if not results:
        raise InputError(f"{source}: no validation video is as long as a clip")
    return Evaluation(config.task, trained.step, name, frames.recipe, results)


def evaluate_workdir(config: ml_collections.ConfigDict, workdir: str) -> Evaluation:
    """Evaluates as `evaluate_checkpoint` does, and writes evaluation.json into the directory.

    Raises:
      InputError: as `evaluate_checkpoint`; or if the file cannot be written.
    """
    found = evaluate_checkpoint(config, workdir)
    path = os.path.join(workdir, "evaluation.json")
    try:
        write_whole(path, (json.dumps(found.as_dict(), indent=2) + "\n").encode())
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror})") from None
    return found


class GifFrames:
    """GIF frames with their truth, stored or made, the same at each call.

    Attributes:
      recipe: how they are made.
    """

    def __init__(self, source: Source, recipe: str):
        """Of a source and a recipe of `config.data`."""
        self._source = source
        self.recipe = recipe

    def batch(self, item: Item, number: int) -> dict[str, np.ndarray]:
        """One frame as a batch of one: truth, indices, palette, num_colors, geometry."""
        if self.recipe == STORED:
            found = self._source.gif_frames(item, range(number, number + 1))
            truth, indices = found["truth"][0], found["indices"][0]
            palette = Palette(found["palette"][0], int(found["num_colors"][0]))
        else:
            truth = self._source.frame(item, number)
            place = self._source.items.index(item)
            rng = np.random.default_rng([_SEED, place, number])
            indices, palette = make_gif_frame(rng, truth, self.recipe)
        used = np.bincount(indices.ravel(), minlength=256) > 0
        return {
            "truth": truth[None],
            "indices": indices[None],
            "palette": palette.colors[None],
            "num_colors": np.array([palette.num_colors], np.int32),
            "geometry": palette_geometry(palette, used)[None],
        }

    def truth(self, item: Item, number: int) -> UInt8[np.ndarray, "h w 3"]:
        """A frame without its GIF."""
        return self._source.frame(item, number)


def _frame_results(
    config: Any, state: Any, compare: Any, frames: GifFrames, item: Item
) -> Iterator[tuple[FrameScore, FrameScore]]:
    """The GIF's and the network's score of each frame."""
    for number in range(item.num_frames):
        found = compare(state, frames.batch(item, number))
        baseline, restored = (
            score_frames(image, found.truth, temporal=False)
            for image in (found.baseline, found.prediction)
        )
        yield baseline, restored


def _clip_results(
    config: Any, state: Any, compare: Any, frames: GifFrames, item: Item
) -> Iterator[tuple[FrameScore, FrameScore]]:
    """The baseline's and the network's score of each clip."""
    num_frames, step = config.data.num_frames, config.data.get("step", 1)
    span = (num_frames - 1) * step + 1
    stride = config.evaluation.stride if "evaluation" in config else span
    times = np.arange(1, num_frames - 1, dtype=np.float32)[None] / (num_frames - 1)
    for start in range(0, item.num_frames - span + 1, stride):
        keys = [frames.batch(item, number) for number in (start, start + span - 1)]
        batch = {
            name: np.stack([key[name] for key in keys], axis=1)
            for name in ("indices", "palette", "num_colors")
        }
        truth = [frames.truth(item, number) for number in range(start, start + span, step)]
        batch |= {"truth": np.stack(truth)[None], "times": times}
        baseline, restored = (
            score_frames(clip[0], _float(batch["truth"][0]), temporal=True)
            for clip in compare(state, batch)
        )
        yield baseline, restored


def score_frames(images: Float[jax.Array, "n h w 3"], truth: Any, *, temporal: bool) -> FrameScore:
    """Scores frames in [-1, 1]: means over them, or with `temporal` PSNR from one RMSE of all."""
    score = ClipScore()
    for image, true in zip(np.asarray(images), np.asarray(truth), strict=True):
        score.add(np.clip(image, -1, 1).astype(np.float32), np.asarray(true, np.float32))
    psnr = score.temporal_psnr if temporal else score.psnr
    return FrameScore(min(psnr, _LARGEST_PSNR), score.ssim)


def mean_score(scores: Sequence[FrameScore]) -> FrameScore:
    """Means of PSNR, and of SSIM where there is one."""
    similarities = [score.ssim for score in scores if score.ssim is not None]
    return FrameScore(
        float(np.mean([score.psnr for score in scores])),
        float(np.mean(similarities)) if similarities else None,
    )


def _float(image: UInt8[np.ndarray, "n h w 3"]) -> Float[np.ndarray, "n h w 3"]:
    return image.astype(np.float32) / np.float32(127.5) - 1


def _numbers(score: FrameScore) -> str:
    return f"{score.psnr:.2f} | {'' if score.ssim is None else format(score.ssim, '.4f')}"


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--config", help="a config file; if not given, what DIR was trained with")
    parser.add_argument("--workdir", required=True, help="the training's working directory")
    parser.add_argument("--output", help="a JSON file to write, video by video")
    parser.add_argument("--max_videos", type=int, help="only so many; all if not given")
    options = parser.parse_args()
    try:
        given = options.config
        config = load_config(given) if given else stored_config(options.workdir)
        found = evaluate_checkpoint(config, options.workdir, max_videos=options.max_videos)
        if options.output:
            write_whole(options.output, (json.dumps(found.as_dict(), indent=2) + "\n").encode())
    except (InputError, OSError) as error:
        print(f"evaluation: {error}", file=sys.stderr)
        return 1
    print(found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
