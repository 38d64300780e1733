"""Writes videos, animated images and folders of PNG files, frame by frame."""

import contextlib
import os
from fractions import Fraction
from pathlib import Path

import av.error
import numpy as np
from jaxtyping import UInt8

from gif2video_jax.errors import InputError
from gif2video_jax.media import encoders, formats
from gif2video_jax.media.gif_encoder import GifEncoder
from gif2video_jax.media.target import FileTarget, FolderTarget, StreamTarget

Target = FileTarget | FolderTarget | StreamTarget


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
            raise ValueError(f"image: expected uint8 {expected}, got {image.dtype} {image.shape}")
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
      alpha: frames have four channels; see `formats` for what can hold them.
      crf: quality, 0 the best: 0 to 51 for MP4 and MKV, to 63 for WebM, to 100 for WebP.
      lossless: keep every pixel as it is; see the table of `formats`.
      format: a name in `formats.FORMATS` instead of the path's suffix.
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
    chosen = formats.format_of(path, format)
    to_stdout = os.fspath(path) == "-"
    name = "standard output" if to_stdout else os.fspath(path)
    formats.check(
        name,
        chosen,
        size=(width, height),
        rate=rate,
        alpha=alpha,
        crf=crf,
        lossless=lossless,
        to_stdout=to_stdout,
    )
    # 4:2:0 halves both sides, and H.264 has no way to say that half a pixel is missing.
    even = chosen.name in ("mp4", "mkv") and not lossless and not alpha
    settings = formats.Settings(
        width=width + width % 2 if even else width,
        height=height + height % 2 if even else height,
        rate=rate,
        alpha=alpha,
        crf=chosen.default_crf if crf is None else crf,
        lossless=lossless,
        loop_count=loop_count,
        num_frames=num_frames,
    )
    note = None
    if (settings.width, settings.height) != (width, height):
        note = (
            f"{width}x{height} became {settings.width}x{settings.height} by repeating the edge: "
            "H.264 needs even sizes"
        )
    target: Target
    if to_stdout:
        target = StreamTarget()
    elif chosen.name == "folder":
        target = FolderTarget(Path(path), overwrite=overwrite)
    else:
        target = FileTarget(Path(path), overwrite=overwrite)
    try:
        encoder = _open_encoder(chosen.name, target, settings)
    except BaseException as error:
        target.discard()
        if isinstance(error, (OSError, av.error.FFmpegError)):
            raise InputError(f"{name}: cannot be written: {error}") from error
        raise
    return VideoWriter(
        name,
        target,
        encoder,
        width=width,
        height=height,
        rate=rate,
        alpha=alpha,
        padding_note=note,
    )


def _open_encoder(format_name: str, target: Target, settings: formats.Settings) -> encoders.Encoder:
    if isinstance(target, FolderTarget):
        return encoders.FolderEncoder(target.path, num_frames=settings.num_frames)
    if isinstance(target, StreamTarget):
        return encoders.open_video_encoder(target.path, format_name, settings)
    path = os.fspath(target.path)
    if format_name == "gif":
        return GifEncoder(path, settings)
    if format_name == "webp":
        return encoders.WebpEncoder(path, settings)
    if format_name == "png":
        return encoders.open_apng_encoder(path, settings)
    return encoders.open_video_encoder(path, format_name, settings)
