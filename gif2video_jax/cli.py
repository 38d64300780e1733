"""The command `gif2video`: one function a subcommand, which parses, calls and prints.

The modules that do the work are imported when they are needed, so that help is instant.

Exit codes: 0 done, 1 the input is bad, 2 wrong usage, 128 + n ended by signal n.
"""

import argparse
import contextlib
import json
import os
import sys
from collections.abc import Callable, Sequence

from gif2video_jax import cli_options, signals
from gif2video_jax.cli_output import Progress, one_line, print_error, print_result
from gif2video_jax.counting import counted
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
        print_error(error)
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
            average=not options.no_average,
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
            print_result(options, f"{job.destination}: exists, skipped")
            return
        with Progress(options, job.source) as progress:
            report = restore_file(job.source, job.destination, choices, progress)
        for note in report.notes:
            print(f"gif2video: {one_line(note)}", file=sys.stderr)
        print_result(options, report.summary)

    with output_folder(plan.folder):
        failed = run_jobs(plan.jobs, restore, print_error)
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
    with Progress(options, options.input) as progress:
        report = inpaint_file(options.input, options.output, choices, progress)
    for note in report.notes:
        print(f"gif2video: {one_line(note)}", file=sys.stderr)
    print_result(options, report.summary)
    return 0


def run_make_gif(options: argparse.Namespace) -> int:
    """`gif2video make-gif`."""
    from gif2video_jax.gifs.maker import make_gif
    from gif2video_jax.media import open_video

    with open_video(options.input) as video, Progress(options, options.input) as progress:
        summary = make_gif(
            progress.watch(video, video.num_frames),
            options.output,
            rate=video.rate,
            fps=options.fps,
            width=options.width,
            num_colors=options.colors,
            quantizer=options.quantizer,
            dither=options.dither,
            lossy=options.lossy,
            palette_scope=options.palette,
            overwrite=options.overwrite,
        )
    size = f"{summary.width}x{summary.height}, {counted(summary.num_frames, 'frame')}"
    duration, num_bytes = float(summary.duration), os.path.getsize(options.output)
    print_result(options, f"{options.output}: {size}, {duration:g} s, {num_bytes} bytes")
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


_COMMANDS: dict[str, tuple[str, Callable, Callable]] = {
    "restore": ("turn GIFs into smooth, clean videos", cli_options.add_restore, run_restore),
    "inpaint": ("remove a caption or logo from a video", cli_options.add_inpaint, run_inpaint),
    "make-gif": ("turn a video into a GIF", cli_options.add_make_gif, run_make_gif),
    "compare": (
        "measure a video against the truth: PSNR and SSIM",
        cli_options.add_compare,
        run_compare,
    ),
    "info": ("tell what a GIF is like", cli_options.add_info, run_info),
    "models": ("list the bundled models", cli_options.add_models, run_models),
    "import-torch": (
        "use the authors' PyTorch weights",
        cli_options.add_import_torch,
        run_import_torch,
    ),
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


class _wrong_usage:  # noqa: N801 (reads as a function)
    """Shows a ValueError as the parser shows wrong usage, with exit code 2."""

    def __init__(self, options: argparse.Namespace):
        self._parser = options.parser

    def __enter__(self):
        return self

    def __exit__(self, error_type, error, _):
        if isinstance(error, ValueError) and not isinstance(error, InputError):
            self._parser.error(one_line(error))


if __name__ == "__main__":
    sys.exit(main())
