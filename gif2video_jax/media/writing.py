"""Writes videos, animated images and folders of PNG files, frame by frame.

| format | codec              | alpha        | lossless             | to standard output |
|--------|--------------------|--------------|----------------------|--------------------|
| mp4    | H.264, yuv420p     | no           | H.264 RGB            | no                 |
| mkv    | H.264; VP9 (alpha) | yes          | H.264 RGB; FFV1      | yes                |
| webm   | VP9                | yes          | VP9 RGB, no alpha    | yes                |
| webp   | WebP               | yes          | WebP                 | no                 |
| png    | APNG               | yes          | always               | no                 |
| gif    | 256 colours        | one bit      | no                   | no                 |
| folder | PNG files          | yes          | always               | no                 |
"""

import contextlib
import dataclasses
import os
from fractions import Fraction
from pathlib import Path

import av.error
import numpy as np
from jaxtyping import UInt8

from gif2video_jax.errors import InputError
from gif2video_jax.media import encoders
from gif2video_jax.media.target import FileTarget, FolderTarget, StreamTarget

Target = FileTarget | FolderTarget | StreamTarget


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
      max_side: the largest width or height.
    """

    name: str
    suffixes: tuple[str, ...]
    alpha: bool
    lossless: bool
    streams: bool
    max_crf: int | None
    max_side: int


FORMATS = {
    format_.name: format_
    for format_ in (
        Format("mp4", (".mp4", ".m4v"), False, True, False, 51, 16384),
        Format("mkv", (".mkv",), True, True, True, 51, 16384),
        Format("webm", (".webm",), True, True, True, 63, 16384),
        Format("webp", (".webp",), True, True, False, 100, 16383),
        Format("png", (".png", ".apng"), True, True, False, None, 65535),
        Format("gif", (".gif",), True, False, False, None, 65535),
        Format("folder", (), True, True, False, None, 65535),
    )
}
MAX_GIF_RATE = 50  # browsers show delays below 20 ms as 100 ms
MAX_RATE = 1000  # WebM, MKV and WebP count milliseconds
_DEFAULT_CRF = {"mp4": 18, "mkv": 18, "webm": 20, "webp": 10}


class VideoWriter:
    """Takes frames one by one; the output takes its place when it is closed.

    A context manager: leaving it closes, leaving it by an exception (Ctrl-C too) aborts.

    Attributes:
      name: the output, for messages.
      width: of the frames, in pixels.
      height: of the frames, in pixels.
      rate: frames a second.
      alpha: whether frames have four channels.
      num_frames: how many were written.
      padding_note: says that the output is larger than the frames and why, or None.
    """

    def __init__(
        self,
        name: str,
        target: Target,
        encoder: encoders.Encoder,
        *,
        width: int,
        height: int,
        rate: Fraction,
        alpha: bool,
        padding_note: str | None,
    ):
        """Called by `open_writer`."""
        self.name = name
        self.width, self.height, self.rate, self.alpha = width, height, rate, alpha
        self.num_frames = 0
        self.padding_note = padding_note
        self._target = target
        self._encoder = encoder
        self._open = True

    @property
    def duration(self) -> Fraction:
        """How long what was written lasts, in seconds."""
        return self.num_frames / self.rate

    def write(self, image: UInt8[np.ndarray, "h w c"]) -> None:
        """Writes the next frame.

        Args:
          image: RGB, or RGBA if `alpha`, of the size given to `open_writer`.

        Raises:
          ValueError: another shape or type, or the writer is closed.
          InputError: the output cannot be written, as when the disk is full.
        """
        expected = (self.height, self.width, 4 if self.alpha else 3)
        if image.shape != expected or image.dtype != np.uint8:
            raise ValueError(
                f"image: expected uint8 {expected}, got {image.dtype} {image.shape}"
            )
        if not self._open:
            raise ValueError(f"{self.name}: the writer is closed")
        with self._abort_on_error():
            self._encoder.write(image)
        self.num_frames += 1

    def close(self) -> None:
        """Finishes the output and puts it in its place; does nothing the second time.

        Raises:
          InputError: nothing was written, or the output cannot be written.
        """
        if not self._open:
            return
        with self._abort_on_error():
            if self.num_frames == 0:
                raise InputError(f"{self.name}: no frame to write")
            self._encoder.finish()
            self._target.commit()
        self._open = False

    def abort(self) -> None:
        """Removes what was written; does nothing after `close`."""
        if not self._open:
            return
        self._open = False
        self._encoder.drop()
        self._target.discard()

    def __enter__(self) -> "VideoWriter":
        """The writer itself."""
        return self

    def __exit__(self, error_type, *_) -> None:
        """Closes, or aborts on an exception."""
        if error_type is None:
            self.close()
        else:
            self.abort()

    @contextlib.contextmanager
    def _abort_on_error(self):
        try:
            yield
        except (OSError, av.error.FFmpegError) as error:
            self.abort()
            reason = getattr(error, "strerror", None) or str(error)
            raise InputError(f"{self.name}: cannot be written: {reason}") from error
        except BaseException:
            self.abort()
            raise


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
        raise InputError("standard output needs --format, one of mkv, webm")
    suffix = Path(text).suffix.lower()
    for candidate in FORMATS.values():
        if suffix in candidate.suffixes:
            return candidate
    known = " ".join(suffix for item in FORMATS.values() for suffix in item.suffixes)
    raise InputError(
        f"{text}: unknown suffix {suffix!r}, expected one of {known}, "
        "or a path that ends in / for PNG frames"
    )


def open_writer(
    path: str | os.PathLike,
    *,
    width: int,
    height: int,
    rate: Fraction | int,
    alpha: bool = False,
    crf: int | None = None,
    lossless: bool = False,
    format: str | None = None,
    loop_count: int | None = 0,
    overwrite: bool = False,
    num_frames: int | None = None,
) -> VideoWriter:
    """Opens an output for frames of one size at a constant rate.

    Args:
      path: a file, a folder for numbered PNG files (ends in `/`), or `"-"` for standard output.
      width: of the frames, at least 1.
      height: of the frames, at least 1.
      rate: frames a second; time stamps are exact where the format allows it, else rounded
        to its clock without drift (WebM, MKV, WebP: 1 ms; GIF: 10 ms).
      alpha: frames have four channels; see `FORMATS` for what can hold them.
      crf: quality, 0 the best: 0 to 51 for MP4 and MKV, to 63 for WebM, to 100 for WebP.
      lossless: keep every pixel as it is; see the table of this module.
      format: a name of `FORMATS` instead of the path's suffix.
      loop_count: as in a GIF's loop extension: 0 for ever, n for n repeats, None to play once;
        for WebP, PNG and GIF.
      overwrite: replace what is there.
      num_frames: how many frames are to come, if known; sets the digits of PNG files' names.

    Raises:
      InputError: the output exists, cannot be written, has an unknown suffix, or the format
        cannot do what is asked.
      ValueError: a size or rate that is not above 0.
    """
    if width < 1 or height < 1 or rate <= 0:
        raise ValueError(f"expected a size and rate above 0, got {width}x{height} at {rate}")
    rate = Fraction(rate).limit_denominator(1_000_000)
    chosen = format_of(path, format)
    name = "standard output" if os.fspath(path) == "-" else os.fspath(path)
    _check(name, chosen, width, height, rate, alpha, crf, lossless, path)
    target: Target
    if os.fspath(path) == "-":
        target = StreamTarget()
    elif chosen.name == "folder":
        target = FolderTarget(Path(path), overwrite=overwrite)
    else:
        target = FileTarget(Path(path), overwrite=overwrite)
    # 4:2:0 halves both sides, and H.264 has no way to say that half a pixel is missing.
    even = chosen.name in ("mp4", "mkv") and not lossless and not alpha
    coded_width, coded_height = (
        (width + width % 2, height + height % 2) if even else (width, height)
    )
    note = None
    if (coded_width, coded_height) != (width, height):
        note = (
            f"{width}x{height} became {coded_width}x{coded_height} by repeating the edge: "
            "H.264 needs even sizes"
        )
    try:
        encoder = _open_encoder(
            chosen.name, target, coded_width, coded_height, rate, alpha, crf, lossless,
            loop_count, num_frames,
        )
    except BaseException as error:
        target.discard()
        if isinstance(error, (OSError, av.error.FFmpegError)):
            raise InputError(f"{name}: cannot be written: {error}") from error
        raise
    return VideoWriter(
        name, target, encoder, width=width, height=height, rate=rate, alpha=alpha,
        padding_note=note,
    )


def _check(
    name: str, chosen: Format, width: int, height: int, rate: Fraction, alpha: bool,
    crf: int | None, lossless: bool, path: str | os.PathLike,
) -> None:
    """Refuses what the format cannot do, before anything is created."""
    if os.fspath(path) == "-" and not chosen.streams:
        able = ", ".join(item.name for item in FORMATS.values() if item.streams)
        raise InputError(f"{chosen.name} cannot be written to standard output, only {able} can")
    if alpha and not chosen.alpha:
        able = ", ".join(item.name for item in FORMATS.values() if item.alpha)
        raise InputError(f"{name}: {chosen.name} holds no transparency, these do: {able}")
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
    if max(width, height) > chosen.max_side:
        raise InputError(
            f"{name}: {width}x{height} is too large for {chosen.name}, "
            f"which takes up to {chosen.max_side} pixels a side"
        )
    limit = MAX_GIF_RATE if chosen.name == "gif" else MAX_RATE
    if rate > limit and chosen.name != "folder":
        raise InputError(
            f"{name}: {float(rate):g} frames a second are too many for {chosen.name}, "
            f"which takes up to {limit}; lower --fps or --multiplier"
        )


def _open_encoder(
    format_name: str, target: Target, width: int, height: int, rate: Fraction, alpha: bool,
    crf: int | None, lossless: bool, loop_count: int | None, num_frames: int | None,
) -> encoders.Encoder:
    if isinstance(target, FolderTarget):
        return encoders.FolderEncoder(target.path, num_frames=num_frames)
    file = os.fspath(target.path) if isinstance(target.path, Path) else target.path
    size = {"width": width, "height": height, "rate": rate}
    if format_name == "gif":
        return encoders.GifEncoder(str(file), alpha=alpha, loop_count=loop_count, **size)
    plays = 1 if loop_count is None else loop_count + 1 if loop_count else 0
    if crf is None:
        crf = _DEFAULT_CRF.get(format_name, 0)
    if format_name == "webp":
        options = {"lossless": str(int(lossless)), "quality": str(75 if lossless else 100 - crf)}
        return encoders.WebpEncoder(
            str(file), container="webp", codec="libwebp_anim", pixel_format="bgra",
            codec_options=options, container_options={"loop": str(plays)}, **size,
        )
    if format_name == "png":
        return encoders.StreamEncoder(
            file, container="apng", codec="apng", pixel_format="rgba" if alpha else "rgb24",
            codec_options={"pred": "mixed", "compression_level": "4"}, container_options={"plays": str(plays)}, **size,
        )
    container = {"mp4": "mp4", "mkv": "matroska", "webm": "webm"}[format_name]
    return encoders.StreamEncoder(
        file, container=container,
        container_options={"movflags": "+faststart"} if format_name == "mp4" else {},
        **_video_codec(format_name, alpha, crf, lossless), **size,
    )


def _video_codec(format_name: str, alpha: bool, crf: int, lossless: bool) -> dict:
    """Codec, pixel format and options of a video format."""
    if format_name == "webm" or (alpha and not lossless):
        options = {"crf": str(crf), "b": "0", "row-mt": "1", "cpu-used": "3", "deadline": "good"}
        if alpha:
            options["auto-alt-ref"] = "0"  # libvpx refuses hidden frames with alpha
        if lossless:
            options |= {"lossless": "1", "crf": "0", "profile": "1"}  # profile 1: RGB
        pixel_format = "gbrp" if lossless else "yuva420p" if alpha else "yuv420p"
        return {"codec": "libvpx-vp9", "pixel_format": pixel_format, "codec_options": options}
    if alpha:
        return {"codec": "ffv1", "pixel_format": "bgra", "codec_options": encoders.FFV1_OPTIONS}
    if lossless:
        return {"codec": "libx264rgb", "pixel_format": "bgr24", "codec_options": {"qp": "0"}}
    return {"codec": "libx264", "pixel_format": "yuv420p", "codec_options": {"crf": str(crf)}}
