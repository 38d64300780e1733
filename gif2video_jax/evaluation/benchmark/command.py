"""The benchmark's command line: test pictures in, tables and pictures out.

    python -m gif2video_jax.evaluation.benchmark [--output out/benchmark] [--quick]
    python -m gif2video_jax.evaluation.benchmark --stills MY_PICTURES --clips MY_VIDEOS --seed 7

Without folders it fetches the public test set of the open corpus. Needs the extra [evaluation].
"""

import argparse
import dataclasses
import pathlib
import sys
import time
from collections.abc import Sequence

from gif2video_jax.datasets.corpus_list import CLIP_SUFFIXES, STILL_SUFFIXES
from gif2video_jax.errors import InputError
from gif2video_jax.evaluation import inpainting
from gif2video_jax.evaluation.benchmark import inbetweens, inputs, report
from gif2video_jax.evaluation.benchmark.clips import ClipsRow, measure_clips
from gif2video_jax.evaluation.benchmark.frontier import FrontierRow, measure_model
from gif2video_jax.evaluation.benchmark.gif_kinds import (
    CLIP_KINDS,
    STILL_KINDS,
    GifKind,
    parse_kind,
)
from gif2video_jax.evaluation.benchmark.inputs import Clip, Still
from gif2video_jax.evaluation.benchmark.options import at_least, measuring_parser
from gif2video_jax.evaluation.benchmark.ours import Restorer
from gif2video_jax.evaluation.benchmark.perceptual import load_lpips
from gif2video_jax.evaluation.benchmark.scenes import measure_scenes
from gif2video_jax.evaluation.benchmark.stills import measure_stills
from gif2video_jax.pretrained import Model, list_models

PARTS = ("stills", "clips", "flicker", "frontier", "inpainting")


@dataclasses.dataclass(frozen=True)
class Effort:
    """How much is measured.

    Attributes:
      pictures: at most.
      clips: at most.
      frames: of a clip.
      scene_frames: of a made scene.
      frontier_pictures: that a model's gains are the means over.
      inpainted_frames: of a clip.
      inpainted_draws: holes of each kind in each clip.
    """

    pictures: int | None
    clips: int | None
    frames: int
    scene_frames: int
    frontier_pictures: int
    inpainted_frames: int
    inpainted_draws: int


FULL = Effort(
    None,
    None,
    frames=33,
    scene_frames=8,
    frontier_pictures=3,
    inpainted_frames=24,
    inpainted_draws=4,
)
QUICK = Effort(
    3, 2, frames=9, scene_frames=4, frontier_pictures=1, inpainted_frames=9, inpainted_draws=1
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the benchmark; returns the exit code: 0 done, 1 bad input, 2 wrong usage."""
    arguments = sys.argv[1:] if arguments is None else arguments
    options = _parser().parse_args(arguments)
    try:
        results = run(options, list(arguments))
        print(results.markdown())
        written = report.write(results, options.output)
    except InputError as error:
        print(f"benchmark: error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    _say(f"{len(written)} files in {options.output}")
    return 0


def run(options: argparse.Namespace, arguments: Sequence[str]) -> report.Results:
    """Measures what the options ask for.

    Raises:
      InputError: pictures can't be had, the model can't be loaded, or a package is missing.
    """
    begin = time.perf_counter()
    effort = QUICK if options.quick else FULL
    if options.frames is not None:
        effort = dataclasses.replace(effort, frames=options.frames)
    if "clips" in options.parts:
        inbetweens.flow_settings()  # says what is missing before an hour has gone by
    stills, clips = _load(options, effort)
    restorer = Restorer(options.weights or options.model, average=not options.no_average)
    lpips, lpips_note = load_lpips(options.lpips_weights)
    if lpips is None:
        lpips_note = f"not measured: {lpips_note}"
    kinds = options.kinds or list(STILL_KINDS)
    shared = {"lpips": lpips, "quick": options.quick}
    still_rows = []
    for kind in kinds if stills and "stills" in options.parts else ():
        _say(f"stills: {kind.title}")
        still_rows.append(measure_stills(kind, stills, restorer, **shared))
    clip_rows: list[ClipsRow] = []
    for kind in CLIP_KINDS if clips and "clips" in options.parts else ():
        for step in options.keep_every:
            _say(f"clips: {kind.title}, every {step}. frame kept")
            clip_rows.append(measure_clips(kind, step, clips, restorer, **shared))
    scene_rows = []
    for kind in kinds if stills and "flicker" in options.parts else ():
        _say(f"flicker: {kind.title}")
        scene_rows.append(measure_scenes(kind, stills, restorer, effort.scene_frames))
    frontier: list[FrontierRow] = []
    if stills and "frontier" in options.parts:
        frontier = _frontier(options, stills[: effort.frontier_pictures], kinds)
    inpainted: list[inpainting.Row] = []
    if "inpainting" in options.parts:
        inpainted = _inpainted(options, effort, restorer.model)
    return report.Results(
        " ".join(["python -m gif2video_jax.evaluation.benchmark", *arguments]),
        restorer.model.card,
        lpips_note,
        still_rows,
        clip_rows,
        scene_rows,
        frontier,
        inpainted,
        time.perf_counter() - begin,
    )


def _load(options: argparse.Namespace, effort: Effort) -> tuple[list[Still], list[Clip]]:
    """The pictures and clips that the options name, or the public ones if they name none."""
    still_files, clip_files = _files(options)
    if not set(options.parts) - {"clips", "inpainting"}:
        still_files = []
    if "clips" not in options.parts:
        clip_files = []
    most = max(options.keep_every)
    stills = [inputs.read_still(path, options.long_side) for path in still_files[: effort.pictures]]
    clips = [
        inputs.read_clip(path, options.long_side, effort.frames, options.seed)
        for path in clip_files[: effort.clips]
    ]
    for clip in clips:
        if len(clip.frames) <= most:
            raise InputError(
                f"{clip.name}: {len(clip.frames)} different frames are too few to keep every "
                f"{most}th; expected more than {most}"
            )
    return stills, clips


def _files(options: argparse.Namespace) -> tuple[list[pathlib.Path], list[pathlib.Path]]:
    """Of stills and of clips."""
    if options.stills is None and options.clips is None:
        files = inputs.public_files(options.data, _say)
        return [x for x in files if inputs.is_still(x)], [x for x in files if inputs.is_clip(x)]
    return _own(options.stills, STILL_SUFFIXES), _own(options.clips, CLIP_SUFFIXES)


def _own(folder: pathlib.Path | None, suffixes: Sequence[str]) -> list[pathlib.Path]:
    return [] if folder is None else inputs.files_in(folder, suffixes)


def _frontier(options, stills: Sequence[Still], kinds: Sequence[GifKind]) -> list[FrontierRow]:
    names = [card.name for card in list_models() if "dequantizer" in card.parts]
    if options.weights is not None:
        names.append(str(options.weights))
    elif options.model not in names:
        names.append(options.model)
    rows = []
    for name in names:
        _say(f"speed and gain: {name}")
        rows.append(measure_model(name, stills, kinds))
    return rows


def _inpainted(options, effort: Effort, model: Model) -> list[inpainting.Row]:
    """No rows if there are no clips, or the model fills nothing in."""
    _, files = _files(options)
    if not files or model.inpainter is None:
        _say("inpainting: left out, for want of " + ("clips" if not files else "an inpainter"))
        return []
    _say("inpainting")
    clips = inpainting.middle_squares(
        files[: effort.clips],
        size=inpainting.SIZE,
        num_frames=effort.inpainted_frames,
        seed=options.seed,
    )
    compared = inpainting.methods(model, options.inpainting_baseline)
    draws = effort.inpainted_draws
    return inpainting.measure(clips, compared, seed=options.seed, draws=draws)[0]


def _parser() -> argparse.ArgumentParser:
    parser = measuring_parser("gif2video_jax.evaluation.benchmark", __doc__)
    add = parser.add_argument
    add("--stills", type=pathlib.Path, help="a folder of your own pictures instead")
    add("--no-average", action="store_true", help="restore each frame by itself")
    add("--seed", type=int, default=0, help="chooses which frames of a video are measured")
    add("--quick", action="store_true", help="fewer pictures, frames and settings: a minute")
    add("--parts", nargs="+", choices=PARTS, default=list(PARTS), help="what to measure; all")
    add(
        "--kinds",
        nargs="+",
        type=_kind,
        metavar="COLOURS-QUANTIZER-DITHER",
        help="of GIFs of stills, such as 128-palettegen-bayer3; default: four kinds",
    )
    add(
        "--keep-every",
        nargs="+",
        type=at_least(2),
        default=[2, 4],
        help="of a clip's frames; 2 and 4",
    )
    add("--long-side", type=int, default=320, help="larger pictures are scaled down to this")
    add("--frames", type=int, help="of a clip; 33, or 9 with --quick")
    add("--lpips-weights", metavar="FILE", help="AlexNet and heads, see training/lpips.py")
    add("--inpainting-baseline", metavar="FILE", help="a 2D network to compare inpainting with")
    return parser


def _kind(text: str) -> GifKind:
    try:
        return parse_kind(text)
    except InputError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
