"""Options of the command line that say what is filled in."""

import argparse
import pathlib

from gif2video_jax.restoring.options import FORMATS


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of `gif2video inpaint` that no other command has."""
    add = parser.add_argument
    add(
        "input",
        metavar="VIDEO",
        help="a video, GIF or animated picture, a folder of pictures, or - for standard input",
    )
    add(
        "--mask",
        metavar="MASK",
        help="white where something is to go: a picture, or a video or folder with as many frames",
    )
    add(
        "--box",
        type=_box,
        action="append",
        default=[],
        metavar="X,Y,W,H",
        help="a rectangle that is to go, in pixels from the top left; may be given several times",
    )
    add(
        "-o",
        "--output",
        required=True,
        metavar="OUT",
        help="a .mp4 .webm .mkv .webp .png (APNG) or .gif file, a path that ends in / for numbered "
        "PNG frames, or - for standard output",
    )
    add(
        "--grow",
        type=int,
        default=0,
        metavar="N",
        help="make what is to go larger by N pixels on all sides, for soft edges (default: 0)",
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
        default="default",
        metavar="NAME",
        help="see `gif2video models` (default: %(default)s)",
    )
    add(
        "--weights",
        type=pathlib.Path,
        metavar="PATH",
        help="a folder of weights instead of a bundled model",
    )
    add_encoding(parser)


def add_encoding(parser: argparse.ArgumentParser) -> None:
    """How well the output is coded, and as what; those of `gif2video restore` too."""
    quality = parser.add_mutually_exclusive_group()
    quality.add_argument(
        "--crf",
        type=int,
        metavar="N",
        help="the encoder's quality, 0 the best (default: 14 for MP4 and MKV, 20 for WebM, 10 for "
        "WebP)",
    )
    quality.add_argument("--lossless", action="store_true", help="keep every pixel as computed")
    parser.add_argument(
        "--format", choices=FORMATS, help="of the output, where its name does not tell"
    )


def add_restore_options(parser: argparse.ArgumentParser) -> None:
    """The options of `gif2video restore` that fill something in."""
    add = parser.add_argument
    add(
        "--inpaint-mask",
        type=pathlib.Path,
        metavar="MASK",
        help="fill in what is white in it: a picture, or a video or folder with as many frames as "
        "the GIF",
    )
    add(
        "--inpaint-box",
        type=_box,
        action="append",
        default=[],
        metavar="X,Y,W,H",
        help="fill in a rectangle, in pixels from the top left; may be given several times",
    )


def _box(text: str) -> tuple[int, int, int, int]:
    try:
        left, top, width, height = (int(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"expected X,Y,W,H such as 10,20,64,48, got {text!r}"
        ) from None
    if width < 1 or height < 1:
        raise argparse.ArgumentTypeError(f"expected a width and height above 0, got {text!r}")
    return left, top, width, height
