"""The formats that can be written, and what each of them can hold.

| format | codec              | alpha        | lossless             | to standard output |
|--------|--------------------|--------------|----------------------|--------------------|
| mp4    | H.264, yuv420p     | no           | H.264 RGB            | no                 |
| mkv    | H.264; VP9 (alpha) | yes          | H.264 RGB; FFV1      | yes                |
| webm   | VP9                | yes          | VP9 RGB, no alpha    | yes                |
| webp   | WebP               | yes          | WebP                 | no                 |
| png    | APNG               | yes          | always               | no                 |
| gif    | 256 colours        | one bit      | no                   | no                 |
| folder | PNG files          | yes          | always               | no                 |

MP4, GIF and WebP go back to what they wrote, and PNG to its number of frames, so they need a file.
"""

import dataclasses
import os
from fractions import Fraction
from pathlib import Path

from gif2video_jax.errors import InputError

MAX_RATE = 1000  # WebM, MKV and WebP count milliseconds
MAX_GIF_RATE = 50  # browsers show delays below 20 ms as 100 ms


@dataclasses.dataclass(frozen=True)
class Format:
    """What a format can do.

    Attributes:
      name: as `--format` takes it.
      suffixes: of file names.
      alpha: whether it holds transparency.
      lossless: whether it can be bit exact.
      streams: whether it can be written to standard output.
      max_crf: the worst quality that `crf` may ask for; None where quality can't be chosen.
      default_crf: the quality if none is asked for.
      max_side: the largest width or height.
      max_rate: the most frames a second; None where time plays no part.
    """

    name: str
    suffixes: tuple[str, ...]
    alpha: bool = True
    lossless: bool = True
    streams: bool = False
    max_crf: int | None = None
    default_crf: int = 0
    max_side: int = 65535
    max_rate: int | None = MAX_RATE


FORMATS = {
    item.name: item
    for item in (
        Format("mp4", (".mp4", ".m4v"), alpha=False, max_crf=51, default_crf=14, max_side=16384),
        Format("mkv", (".mkv",), streams=True, max_crf=51, default_crf=14, max_side=16384),
        Format("webm", (".webm",), streams=True, max_crf=63, default_crf=20, max_side=16384),
        Format("webp", (".webp",), max_crf=100, default_crf=10, max_side=16383),
        Format("png", (".png", ".apng")),
        Format("gif", (".gif",), lossless=False, max_rate=MAX_GIF_RATE),
        Format("folder", (), max_rate=None),
    )
}


@dataclasses.dataclass(frozen=True)
class Settings:
    """What is to be written and how; fields as in `open_writer`.

    Attributes:
      width: of the coded picture.
      height: of the coded picture.
      crf: 0 where it plays no part.
    """

    width: int
    height: int
    rate: Fraction
    alpha: bool = False
    crf: int = 0
    lossless: bool = False
    loop_count: int | None = 0
    num_frames: int | None = None


def format_of(path: str | os.PathLike, format: str | None = None) -> Format:
    """The format that a path's suffix, or an explicit name, asks for.

    Raises:
      InputError: unknown suffix or name, or standard output without a name.
    """
    text = os.fspath(path)
    if format is not None:
        if format not in FORMATS:
            raise InputError(f"unknown format {format!r}, expected one of {', '.join(FORMATS)}")
        return FORMATS[format]
    if text.endswith(("/", os.sep)):
        return FORMATS["folder"]
    if text == "-":
        raise InputError(f"standard output needs --format, one of {_able('streams')}")
    suffix = Path(text).suffix.lower()
    for candidate in FORMATS.values():
        if suffix in candidate.suffixes:
            return candidate
    known = " ".join(suffix for item in FORMATS.values() for suffix in item.suffixes)
    raise InputError(
        f"{text}: unknown suffix {suffix!r}, expected one of {known}, "
        "or a path for PNG frames that ends in /"
    )


def check(
    name: str,
    chosen: Format,
    *,
    size: tuple[int, int],
    rate: Fraction,
    alpha: bool,
    crf: int | None,
    lossless: bool,
    to_stdout: bool,
) -> None:
    """Refuses what a format cannot do, before anything is created.

    Raises:
      InputError: it says what the format can do, or which formats can.
    """
    if to_stdout and not chosen.streams:
        raise InputError(
            f"{chosen.name} cannot be written to standard output, only {_able('streams')} can"
        )
    if alpha and not chosen.alpha:
        raise InputError(f"{name}: {chosen.name} holds no transparency, these do: {_able('alpha')}")
    if lossless and not chosen.lossless:
        raise InputError(f"{name}: {chosen.name} cannot be lossless")
    if lossless and alpha and chosen.name == "webm":
        raise InputError(f"{name}: a lossless webm holds no transparency, use mkv, webp or png")
    if crf is not None and lossless:
        raise InputError(f"{name}: --crf and --lossless exclude each other")
    if crf is not None and chosen.max_crf is None:
        raise InputError(f"{name}: {chosen.name} has no quality to choose, leave out --crf")
    if crf is not None and not 0 <= crf <= (chosen.max_crf or 0):
        raise InputError(f"{name}: --crf is {crf}, expected 0 to {chosen.max_crf}")
    if max(size) > chosen.max_side:
        raise InputError(
            f"{name}: {size[0]}x{size[1]} is too large for {chosen.name}, "
            f"which takes up to {chosen.max_side} pixels a side"
        )
    if chosen.max_rate is not None and rate > chosen.max_rate:
        raise InputError(
            f"{name}: {float(rate):g} frames a second are too many for {chosen.name}, "
            f"which takes up to {chosen.max_rate}; lower --fps or --multiplier"
        )


def _able(what: str) -> str:
    return ", ".join(item.name for item in FORMATS.values() if getattr(item, what))
