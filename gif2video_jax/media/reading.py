"""Reads videos, animated images, GIFs and folders of pictures, frame by frame, as RGB."""

import abc
import contextlib
import os
import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error
import numpy as np
from jaxtyping import UInt8
from PIL import Image, UnidentifiedImageError

from gif2video_jax.errors import InputError
from gif2video_jax.gifs import reader as gif_reader
from gif2video_jax.gifs import timeline
from gif2video_jax.media import conversion

Picture = UInt8[np.ndarray, "h w 3"]
PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
_FOLDER_RATE = Fraction(25)  # ffmpeg's, for pictures that say nothing of time
_PICTURE_SIGNATURES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"BM")


class VideoReader(abc.ABC):
    """Yields RGB frames while reading. A context manager and an iterator, good for one pass.

    Attributes:
      name: the file's name, for messages.
      width: in pixels, after a rotation that the file asks for.
      height: in pixels.
      rate: frames a second; the average where it varies, see `timed`.
      duration: in seconds, or None where the file does not say.
      num_frames: or None where it is not known before all are read.
    """

    name: str
    width: int
    height: int
    rate: Fraction
    duration: Fraction | None = None
    num_frames: int | None = None

    def __init__(self) -> None:
        self._frames: Iterator[tuple[Fraction, np.ndarray]] | None = None

    @abc.abstractmethod
    def _decode(self) -> Iterator[tuple[Fraction, np.ndarray]]:
        """Yields times and frames."""

    @abc.abstractmethod
    def close(self) -> None:
        """Closes the file."""

    def timed(self) -> Iterator[tuple[Fraction, Picture]]:
        """Yields (time, frame), in seconds from the first frame; the same pass as iteration."""
        if self._frames is None:
            self._frames = self._decode()
        return self._frames

    def __iter__(self) -> Iterator[Picture]:
        """The reader itself: frames can be read once."""
        return self

    def __next__(self) -> Picture:
        """The next frame.

        Raises:
          InputError: the file is damaged, or changes its size on the way.
        """
        _, frame = next(self.timed())
        if frame.shape[:2] != (self.height, self.width):
            raise InputError(
                f"{self.name}: a frame of {frame.shape[1]}x{frame.shape[0]} follows frames of "
                f"{self.width}x{self.height}, expected one size"
            )
        return frame

    def __enter__(self) -> "VideoReader":
        """The reader itself."""
        return self

    def __exit__(self, *_) -> None:
        """Closes the file."""
        self.close()


def open_video(path: str | os.PathLike, *, rate: Fraction | int | None = None) -> VideoReader:
    """Opens a video, a GIF, an animated or still WebP or PNG, or a folder of pictures.

    Transparent pixels keep the colour that the file gives them (black in a GIF).

    Args:
      path: a file, or a folder whose pictures are taken in the order of their names' numbers.
      rate: frames a second of a folder's or a still picture; 25 if not given.

    Raises:
      InputError: missing, not readable, or nothing that can be read as a video.
    """
    path = Path(path)
    try:
        if path.is_dir():
            return _FolderReader(path, Fraction(rate or _FOLDER_RATE))
        with path.open("rb") as file:
            start = file.read(16)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    if not start:
        raise InputError(f"{path}: the file is empty, expected a video")
    if start[:3] == b"GIF":
        return _GifVideoReader(path)
    if start.startswith(_PICTURE_SIGNATURES) or (start[:4], start[8:12]) == (b"RIFF", b"WEBP"):
        return _PictureReader(path, Fraction(rate or _FOLDER_RATE))
    return _StreamReader(path)


class _StreamReader(VideoReader):
    """What ffmpeg reads."""

    def __init__(self, path: Path):
        super().__init__()
        self.name = str(path)
        with self._bad_file(), contextlib.ExitStack() as stack:
            self._container = stack.enter_context(av.open(str(path)))
            if not self._container.streams.video:
                raise InputError(f"{path}: holds no video")
            self._stream = self._container.streams.video[0]
            self._stream.thread_type = "AUTO"
            self._decoder = self._container.decode(self._stream)
            self._first = next(self._decoder, None)
            if self._first is None:
                raise InputError(f"{path}: no frame of this video can be decoded")
            self._time_base = _fraction(self._stream.time_base) or Fraction(1, 25)
            self._converter = conversion.Converter("rgb24", self._time_base)
            self.height, self.width = self._convert(self._first).shape[:2]
            stack.pop_all()
        average = self._stream.average_rate or self._stream.guessed_rate
        self.rate = _fraction(average) or _FOLDER_RATE
        if self._stream.duration:
            self.duration = self._stream.duration * self._time_base
        elif self._container.duration:
            self.duration = Fraction(self._container.duration, av.time_base)
        self.num_frames = self._stream.frames or None

    def close(self) -> None:
        self._container.close()

    def _decode(self) -> Iterator[tuple[Fraction, np.ndarray]]:
        frame = self._first
        assert frame is not None
        self._first = None
        start = frame.pts
        index = 0
        while frame is not None:
            with self._bad_file():
                if frame.pts is None or start is None:
                    time = index / self.rate
                else:
                    time = (frame.pts - start) * self._time_base
                picture = self._convert(frame)
            yield time, picture
            index += 1
            with self._bad_file():
                frame = next(self._decoder, None)

    def _convert(self, frame: av.VideoFrame) -> np.ndarray:
        quarter_turns = round(frame.rotation / 90) % 4
        picture = self._converter.convert(frame).to_ndarray()
        return np.ascontiguousarray(np.rot90(picture, quarter_turns)) if quarter_turns else picture

    @contextlib.contextmanager
    def _bad_file(self):
        try:
            yield
        except (OSError, av.error.FFmpegError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            if isinstance(error, av.error.EOFError):
                reason = "it ends before the first frame, or is none"
            raise InputError(f"{self.name}: cannot be read as a video: {reason}") from None


class _GifVideoReader(VideoReader):
    """A GIF as browsers show it."""

    def __init__(self, path: Path):
        super().__init__()
        info = gif_reader.scan_gif(path)
        self._delays = timeline.normalize_delays(info.delays_ms)
        self._reader = gif_reader.open_gif(path)
        self.name, self.width, self.height = str(path), info.width, info.height
        self.rate = timeline.native_rate(self._delays)
        self.duration = sum(self._delays, Fraction(0))
        self.num_frames = len(info.frames)

    def close(self) -> None:
        self._reader.close()

    def _decode(self) -> Iterator[tuple[Fraction, np.ndarray]]:
        time = Fraction(0)
        for delay, frame in zip(self._delays, self._reader, strict=True):
            yield time, frame.rgb
            time += delay


class _PictureReader(VideoReader):
    """An animated or still picture that Pillow reads: PNG, WebP, JPEG, BMP."""

    def __init__(self, path: Path, rate: Fraction):
        super().__init__()
        self.name = str(path)
        self._image = _open_picture(path)
        self.width, self.height = self._image.size
        self.num_frames = getattr(self._image, "n_frames", 1)
        self.rate = rate
        self.duration = self.num_frames / rate
        if self.num_frames > 1:
            # Pillow knows a frame's duration once it is loaded; the first one speaks for all.
            with _bad_picture(self.name), contextlib.ExitStack() as on_error:
                on_error.callback(self._image.close)
                self._image.load()
                on_error.pop_all()
            if self._image.info.get("duration"):
                self.rate = 1000 / Fraction(self._image.info["duration"]).limit_denominator(1000)
                self.duration = None

    def close(self) -> None:
        self._image.close()

    def _decode(self) -> Iterator[tuple[Fraction, np.ndarray]]:
        time = Fraction(0)
        for index in range(self.num_frames or 1):
            with _bad_picture(self.name):
                self._image.seek(index)
                picture = np.array(self._image.convert("RGB"))
                duration = self._image.info.get("duration")
            yield time, picture
            if duration:
                time += Fraction(duration).limit_denominator(1000) / 1000
            else:
                time += 1 / self.rate


class _FolderReader(VideoReader):
    """The pictures of a folder, by the numbers in their names."""

    def __init__(self, path: Path, rate: Fraction):
        super().__init__()
        self.name = str(path)
        self._paths = sorted(
            (item for item in path.iterdir() if item.suffix.lower() in PICTURE_SUFFIXES),
            key=lambda item: [
                (1, int(part), "") if part.isdigit() else (0, 0, part)
                for part in re.split(r"(\d+)", item.name)
            ],
        )
        if not self._paths:
            raise InputError(
                f"{path}: the folder holds no pictures, expected {' '.join(PICTURE_SUFFIXES)}"
            )
        with _open_picture(self._paths[0]) as image:
            self.width, self.height = image.size
        self.rate, self.num_frames = rate, len(self._paths)
        self.duration = self.num_frames / rate

    def close(self) -> None:
        """Nothing stays open between pictures."""

    def _decode(self) -> Iterator[tuple[Fraction, np.ndarray]]:
        for index, path in enumerate(self._paths):
            with _open_picture(path) as image, _bad_picture(str(path)):
                picture = np.array(image.convert("RGB"))
            yield index / self.rate, picture


def _fraction(rational: Any) -> Fraction | None:
    """PyAV's number as a fraction, of whichever type it is in its version; None for none and 0."""
    return Fraction(rational.numerator, rational.denominator) if rational else None


def _open_picture(path: Path) -> Image.Image:
    with _bad_picture(str(path)):
        return Image.open(path)


@contextlib.contextmanager
def _bad_picture(name: str):
    try:
        yield
    except UnidentifiedImageError:
        raise InputError(f"{name}: not a picture that can be read") from None
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
        raise InputError(f"{name}: cannot be read: {error}") from None
