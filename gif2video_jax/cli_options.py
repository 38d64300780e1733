"""Options of the command line: those of each subcommand, and how their values are read.

What says which holes are filled in is in `cli_inpaint.py`. Modules that know the choices are
imported when a subcommand is asked for, so that help is instant.
"""

import argparse
import pathlib
import re
from collections.abc import Callable
from fractions import Fraction


def add_restore(parser: argparse.ArgumentParser) -> None:
    """Those of `gif2video restore`."""
    from gif2video_jax.cli_inpaint import add_encoding, add_restore_options
    from gif2video_jax.restoring.options import AUTO_ON_OFF, RestoreOptions

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
        "--no-average",
        action="store_true",
        help="restore each frame by itself, without its neighbours",
    )
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
        help="0 to 1: how different the frames at a cut are; the higher, the fewer cuts "
        "(default: 0.3)",
    )
    add(
        "--model",
        default=default.model,
        metavar="NAME",
        help="see `gif2video models` (default: %(default)s)",
    )
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
    add_encoding(parser)
    add_restore_options(parser)
    _add_overwrite(parser)
    _add_quiet(parser)
    _add_max_pixels(parser)


def add_make_gif(parser: argparse.ArgumentParser) -> None:
    """Those of `gif2video make-gif`."""
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
        "--lossy",
        type=_whole_number(0),
        default=0,
        metavar="N",
        help="smaller files by colours that compress better, as gifsicle --lossy: 20 to 200 are "
        "common (default: 0, none)",
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


def add_compare(parser: argparse.ArgumentParser) -> None:
    """Those of `gif2video compare`."""
    add = parser.add_argument
    add("restored", metavar="RESTORED", help="a video, a GIF, or a folder of pictures")
    add("reference", metavar="REFERENCE", help="the truth, of the same size and number of frames")
    add("--side-by-side", metavar="OUT", help="also show both in OUT.png (some frames) or OUT.mp4")
    _add_json(parser)


def add_info(parser: argparse.ArgumentParser) -> None:
    """Those of `gif2video info`."""
    parser.add_argument("input", metavar="IN.gif", help="a GIF, or - for standard input")
    _add_json(parser)
    _add_max_pixels(parser)


def add_import_torch(parser: argparse.ArgumentParser) -> None:
    """Those of `gif2video import-torch`."""
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


def add_models(parser: argparse.ArgumentParser) -> None:
    """Those of `gif2video models`: none."""


def add_inpaint(parser: argparse.ArgumentParser) -> None:
    """Those of `gif2video inpaint`."""
    from gif2video_jax.cli_inpaint import add_options

    add_options(parser)
    _add_overwrite(parser)
    _add_quiet(parser)


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
