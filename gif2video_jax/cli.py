"""The command `gif2video`: one function a subcommand, which parses, calls and prints.

The modules that do the work are imported when they are needed, so that help is instant.

Exit codes: 0 done, 1 the input is bad, 2 wrong usage, 128 + n ended by signal n.
"""

import argparse
import contextlib
import json
import os
import pathlib
import re
import sys
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

from gif2video_jax import signals
from gif2video_jax.errors import InputError

_SIGNALED = 128  # the exit codes of programs that a signal ended begin here
_PIPE_EXIT_CODE = _SIGNALED + 13  # SIGPIPE


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit code.

    Args:
      arguments: what follows the program's name; if not given, those of this process, which is
        then taken for the command's own: it ends at once when a signal says so.
    """
    if arguments is not None:
        return _run(list(arguments))
    code = _run(sys.argv[1:])
    if code >= _SIGNALED:
        # Computations may still be running, and Python's orderly end would pull things away from
        # under them. All is cleaned up already.
        with contextlib.suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)
    return code


def _run(arguments: list[str]) -> int:
    """Parses and runs; every exit code but argparse's is its result."""
    try:
        with signals.termination_raises():
            parser = _build_parser(arguments[0] if arguments else None)
            options = parser.parse_args(arguments)
            code = options.run(options)
            sys.stdout.flush()
            return code
    except BrokenPipeError:
        # Python would complain once more when it flushes standard output at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _PIPE_EXIT_CODE
    except signals.Terminated as end:
        return end.exit_code
    except (InputError, OSError) as error:
        _print_error(error)
        return 1


def run_restore(options: argparse.Namespace) -> int:
    """`gif2video restore`."""
    from gif2video_jax.restoring.batch import output_folder, plan_jobs, run_jobs
    from gif2video_jax.restoring.options import RestoreOptions

    with _wrong_usage(options):
        plan = plan_jobs(options.input, options.output, options.format)
        choices = RestoreOptions(
            fps=options.fps,
            multiplier=options.multiplier,
            dequantize=options.dequantize,
            interpolate=not options.no_interpolate,
            loop=options.loop,
            background=options.background,
            scene_threshold=options.scene_threshold,
            model=options.model,
            weights=options.weights,
            start=options.start,
            end=options.end,
            strength=options.strength,
            tile=options.tile,
            crf=options.crf,
            lossless=options.lossless,
            format=options.format,
            overwrite=options.overwrite,
            max_pixels=options.max_pixels,
            inpaint_mask=options.inpaint_mask,
            inpaint_boxes=tuple(options.inpaint_box),
        )

    from gif2video_jax.restoring.restore import restore_file

    def restore(job):
        if options.skip_existing and os.path.exists(job.destination):
            _print(options, f"{job.destination}: exists, skipped")
            return
        with _Progress(options, job.source) as progress:
            report = restore_file(job.source, job.destination, choices, progress)
        for note in report.notes:
            print(f"gif2video: {_one_line(note)}", file=sys.stderr)
        _print(options, report.summary)

    with output_folder(plan.folder):
        failed = run_jobs(plan.jobs, restore, _print_error)
    if failed and len(plan.jobs) > 1:
        names = ", ".join(job.source for job in failed)
        print(f"gif2video: {len(failed)} of {len(plan.jobs)} failed: {names}", file=sys.stderr)
    return 1 if failed else 0


def run_inpaint(options: argparse.Namespace) -> int:
    """`gif2video inpaint`."""
    from gif2video_jax.restoring.inpaint_file import InpaintOptions, inpaint_file

    with _wrong_usage(options):
        choices = InpaintOptions(
            mask=options.mask,
            boxes=tuple(options.box),
            grow=options.grow,
            scene_threshold=options.scene_threshold,
            model=options.model,
            weights=options.weights,
            crf=options.crf,
            lossless=options.lossless,
            format=options.format,
            overwrite=options.overwrite,
        )
    with _Progress(options, options.input) as progress:
        report = inpaint_file(options.input, options.output, choices, progress)
    for note in report.notes:
        print(f"gif2video: {_one_line(note)}", file=sys.stderr)
    _print(options, report.summary)
    return 0


def run_make_gif(options: argparse.Namespace) -> int:
    """`gif2video make-gif`."""
    from gif2video_jax.gifs.maker import make_gif
    from gif2video_jax.media import open_video

    with open_video(options.input) as video, _Progress(options, options.input) as progress:
        summary = make_gif(
            progress.watch(video, video.num_frames),
            options.output,
            rate=video.rate,
            fps=options.fps,
            width=options.width,
            num_colors=options.colors,
            quantizer=options.quantizer,
            dither=options.dither,
            palette_scope=options.palette,
            overwrite=options.overwrite,
        )
    size = f"{summary.width}x{summary.height}, {summary.num_frames} frames"
    duration, num_bytes = float(summary.duration), os.path.getsize(options.output)
    _print(options, f"{options.output}: {size}, {duration:g} s, {num_bytes} bytes")
    return 0


def run_compare(options: argparse.Namespace) -> int:
    """`gif2video compare`."""
    from gif2video_jax.evaluation.comparing import compare_files

    result = compare_files(options.restored, options.reference, options.side_by_side)
    print(json.dumps(result.as_dict()) if options.json else result)
    return 0


def run_info(options: argparse.Namespace) -> int:
    """`gif2video info`."""
    from gif2video_jax.describing import describe_gif

    description = describe_gif(options.input, max_pixels=options.max_pixels)
    print(json.dumps(description.as_dict()) if options.json else description)
    return 0


def run_models(options: argparse.Namespace) -> int:
    """`gif2video models`."""
    from gif2video_jax.pretrained import list_models

    for card in list_models():
        parts = " and ".join(card.parts)
        print(f"{card.name}: {parts}, {card.size / 1e6:.1f} MB")
        for fact, value in card.facts.items():
            text = value if isinstance(value, str) else json.dumps(value)
            print(f"  {fact}: {text}")
    return 0


def run_import_torch(options: argparse.Namespace) -> int:
    """`gif2video import-torch`."""
    with _wrong_usage(options):
        if options.base is None and options.interpolator is None:
            raise ValueError("nothing to import: give --base or --interpolator")
        if options.second is not None and options.base is None:
            raise ValueError("--second needs --base: it refines what that one makes")

    from gif2video_jax.torch_import import import_torch_files

    for path in import_torch_files(
        options.output,
        base=options.base,
        second=options.second,
        interpolator=options.interpolator,
        overwrite=options.overwrite,
    ):
        print(path)
    return 0


def _add_restore(parser: argparse.ArgumentParser) -> None:
    from gif2video_jax.cli_inpaint import add_restore_options
    from gif2video_jax.restoring.options import AUTO_ON_OFF, FORMATS, RestoreOptions

    default = RestoreOptions()
    add = parser.add_argument
    add("input", nargs="+", metavar="IN.gif", help="GIFs, folders of GIFs, or - for standard input")
    add(
        "-o",
        "--output",
        required=True,
        metavar="OUT",
        help="a .mp4 .webm .mkv .webp .png (APNG) or .gif file; a path that ends in / for numbered "
        "PNG frames; a folder for several inputs; - for standard output",
    )
    rate = parser.add_mutually_exclusive_group()
    rate.add_argument("--fps", type=_fraction, help="frames a second (default: from the GIF)")
    rate.add_argument(
        "--multiplier",
        type=_fraction,
        metavar="N",
        help="frames a second as a multiple of the GIF's own",
    )
    add(
        "--dequantize",
        choices=AUTO_ON_OFF,
        default=default.dequantize,
        help="restore colours; auto leaves pixel art and screen captures alone",
    )
    add("--no-interpolate", action="store_true", help="make no frames between the GIF's own")
    add(
        "--loop",
        choices=AUTO_ON_OFF,
        default=default.loop,
        help="move from the last frame on to the first; auto follows the file",
    )
    add(
        "--background",
        type=_color,
        default=default.background,
        metavar="RRGGBB",
        help="under transparent pixels, where the output has none (default: ffffff)",
    )
    add(
        "--scene-threshold",
        type=float,
        metavar="X",
        help="0 to 1: how different the frames at a cut are; the higher, the fewer cuts",
    )
    add("--model", default=default.model, metavar="NAME", help="see `gif2video models`")
    add(
        "--weights",
        type=pathlib.Path,
        metavar="PATH",
        help="a folder of weights instead of a bundled model",
    )
    add("--start", type=_fraction, default=default.start, metavar="S", help="begin here, seconds")
    add("--end", type=_fraction, metavar="S", help="end here, seconds")
    add(
        "--strength",
        type=float,
        default=default.strength,
        metavar="0..1",
        help="how much of the change of colours to apply (default: 1)",
    )
    add("--skip-existing", action="store_true", help="leave outputs that exist already")
    add("--tile", type=int, metavar="N", help="work in tiles of this side, a multiple of 16 pixels")
    quality = parser.add_mutually_exclusive_group()
    quality.add_argument("--crf", type=int, metavar="N", help="the encoder's quality, 0 the best")
    quality.add_argument("--lossless", action="store_true", help="keep every pixel as computed")
    add("--format", choices=FORMATS, help="of the output, where its name does not tell")
    add_restore_options(parser)
    _add_overwrite(parser)
    _add_quiet(parser)
    _add_max_pixels(parser)


def _add_inpaint(parser: argparse.ArgumentParser) -> None:
    from gif2video_jax.cli_inpaint import add_options

    add_options(parser)
    _add_overwrite(parser)
    _add_quiet(parser)


def _add_make_gif(parser: argparse.ArgumentParser) -> None:
    from gif2video_jax.gifs.maker import DITHERS, QUANTIZERS

    add = parser.add_argument
    add("input", metavar="VIDEO", help="a video, an animated image, or a folder of pictures")
    add("-o", "--output", required=True, metavar="OUT.gif")
    add(
        "--colors",
        type=_whole_number(2, 256),
        default=32,
        metavar="N",
        help="2 to 256 (default: 32)",
    )
    add(
        "--quantizer",
        choices=QUANTIZERS,
        default="minimum_variance",
        metavar="NAME",
        help=f"how colours are chosen: {', '.join(QUANTIZERS)} (default: %(default)s)",
    )
    add(
        "--dither",
        choices=DITHERS,
        default="floyd_steinberg",
        metavar="NAME",
        help=f"{', '.join(DITHERS)} (default: %(default)s)",
    )
    add(
        "--palette",
        choices=("frame", "clip"),
        default="frame",
        help="one palette for each frame, or one for all (default: frame)",
    )
    add("--fps", type=_gif_rate, help="frames a second, at most 50 (default: the video's)")
    add(
        "--width",
        type=_whole_number(1),
        metavar="W",
        help="pixels; the height follows (default: the video's)",
    )
    _add_overwrite(parser)
    _add_quiet(parser)


def _add_compare(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("restored", metavar="RESTORED", help="a video, a GIF, or a folder of pictures")
    add("reference", metavar="REFERENCE", help="the truth, of the same size and number of frames")
    add("--side-by-side", metavar="OUT", help="also show both in OUT.png (some frames) or OUT.mp4")
    _add_json(parser)


def _add_info(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("input", metavar="IN.gif", help="a GIF, or - for standard input")
    _add_json(parser)
    _add_max_pixels(parser)


def _add_import_torch(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--base", metavar="CKPT.pt", help="of CCDNet-1")
    add("--second", metavar="CKPT.pt", help="of CCDNet-2's second network; needs --base")
    add("--interpolator", metavar="CKPT.pt", help="of the two flow networks")
    add(
        "-o",
        "--output",
        required=True,
        metavar="DIR",
        help="a folder for `gif2video restore --weights`",
    )
    _add_overwrite(parser)


def _add_models(parser: argparse.ArgumentParser) -> None:
    """It has no options."""


_COMMANDS: dict[str, tuple[str, Callable, Callable]] = {
    "restore": ("turn GIFs into smooth, clean videos", _add_restore, run_restore),
    "inpaint": ("remove a caption or logo from a video", _add_inpaint, run_inpaint),
    "make-gif": ("turn a video into a GIF", _add_make_gif, run_make_gif),
    "compare": ("measure a video against the truth: PSNR and SSIM", _add_compare, run_compare),
    "info": ("tell what a GIF is like", _add_info, run_info),
    "models": ("list the bundled models", _add_models, run_models),
    "import-torch": ("use the authors' PyTorch weights", _add_import_torch, run_import_torch),
}


def _build_parser(command: str | None) -> argparse.ArgumentParser:
    """Builds the parser; only the subcommand that is asked for gets its options."""
    from gif2video_jax import __version__

    parser = argparse.ArgumentParser(
        prog="gif2video",
        description="Turns GIFs into smooth, clean videos.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"gif2video {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, (summary, add_options, run) in _COMMANDS.items():
        subparser = commands.add_parser(
            name,
            help=summary,
            description=summary[0].upper() + summary[1:] + ".",
            allow_abbrev=False,
        )
        if name == command:
            add_options(subparser)
        subparser.set_defaults(run=run, parser=subparser)
    return parser


def _add_overwrite(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--overwrite", action="store_true", help="replace an existing output")


def _add_quiet(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-q", "--quiet", action="store_true", help="print errors only")


def _add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON")


def _add_max_pixels(parser: argparse.ArgumentParser) -> None:
    from gif2video_jax.restoring.options import MAX_PIXELS

    parser.add_argument(
        "--max-pixels",
        type=_whole_number(1),
        default=MAX_PIXELS,
        metavar="N",
        help="refuse frames of more pixels (default: %(default)s)",
    )


def _fraction(text: str) -> Fraction:
    """A number such as 25, 29.97 or 30000/1001, exactly."""
    try:
        return Fraction(text)
    except (ValueError, ZeroDivisionError):
        raise argparse.ArgumentTypeError(f"expected a number, got {text!r}") from None


def _gif_rate(text: str) -> Fraction:
    rate = _fraction(text)
    if not 0 < rate <= 50:
        raise argparse.ArgumentTypeError(f"expected above 0 and at most 50, got {text}")
    return rate


def _whole_number(low: int, high: int | None = None) -> Callable[[str], int]:
    """A parser of whole numbers within bounds."""
    expected = f"{low} or more" if high is None else f"{low} to {high}"

    def parse(text: str) -> int:
        if not re.fullmatch(r"[+-]?\d+", text) or not low <= int(text) <= (high or int(text)):
            raise argparse.ArgumentTypeError(f"expected a whole number, {expected}, got {text!r}")
        return int(text)

    return parse


def _color(text: str) -> tuple[int, int, int]:
    match = re.fullmatch("#?([0-9a-fA-F]{6})", text)
    if not match:
        raise argparse.ArgumentTypeError(f"expected RRGGBB such as ff8000, got {text!r}")
    red, green, blue = bytes.fromhex(match[1])
    return red, green, blue


class _wrong_usage:  # noqa: N801 (reads as a function)
    """Shows a ValueError as the parser shows wrong usage, with exit code 2."""

    def __init__(self, options: argparse.Namespace):
        self._parser = options.parser

    def __enter__(self):
        return self

    def __exit__(self, error_type, error, _):
        if isinstance(error, ValueError) and not isinstance(error, InputError):
            self._parser.error(_one_line(error))


class _Progress:
    """A bar on standard error, if that is a terminal; called with (frames done, frames in all)."""

    def __init__(self, options: argparse.Namespace, name: str):
        self._name = os.path.basename(name)
        self._hidden = options.quiet or not sys.stderr.isatty()
        self._bar: Any = None

    def __enter__(self) -> "_Progress":
        return self

    def __exit__(self, *_) -> None:
        if self._bar is not None:
            self._bar.close()

    def __call__(self, done: int, total: int | None) -> None:
        if self._hidden:
            return
        if self._bar is None:
            from tqdm import tqdm

            self._bar = tqdm(
                total=total, desc=self._name, unit="frame", leave=False, dynamic_ncols=True
            )
        self._bar.update(done - self._bar.n)

    def watch(self, frames, total: int | None):
        """Yields the frames and counts them."""
        for done, frame in enumerate(frames, start=1):
            yield frame
            self(done, total)


def _print(options: argparse.Namespace, result: object) -> None:
    """Prints a result, unless standard output is the result or nobody wants to see it."""
    if not options.quiet and options.output != "-":
        print(result, flush=True)


def _print_error(error: Exception) -> None:
    if isinstance(error, OSError) and error.strerror:
        name = f"{error.filename}: " if error.filename else ""
        message = name + error.strerror
    else:
        message = str(error) or type(error).__name__
    print(f"gif2video: error: {_one_line(message)}", file=sys.stderr)


def _one_line(message: object) -> str:
    return " ".join(str(message).split())


if __name__ == "__main__":
    sys.exit(main())
