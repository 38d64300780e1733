"""One encoder for each kind of output; each takes images one by one and keeps few of them."""

import contextlib
import os
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import av
import numpy as np
from jaxtyping import UInt8
from PIL import Image

from gif2video_jax.media import conversion
from gif2video_jax.media.formats import Settings

Picture = UInt8[np.ndarray, "h w c"]
FFV1_OPTIONS = {"level": "1"}  # version 3 refuses some small sizes
_BT709 = 1  # the code for matrix, primaries and transfer alike (ITU-T H.273)
_RGB = 0
_LIMITED_RANGE = 1


@runtime_checkable
class Encoder(Protocol):
    """Takes images, then either finishes or is dropped."""

    def write(self, image: Picture) -> None:
        """Encodes the next image."""

    def finish(self) -> None:
        """Writes what is left and closes the file."""

    def drop(self) -> None:
        """Closes the file as it is."""


class StreamEncoder:
    """Encodes with one of ffmpeg's codecs into one of its containers."""

    def __init__(
        self,
        target: Any,
        *,
        container: str,
        codec: str,
        pixel_format: str,
        settings: Settings,
        time_base: Fraction | None = None,
        codec_options: dict[str, str] | None = None,
        container_options: dict[str, str] | None = None,
    ):
        """Opens the container; the codec opens with the first image.

        Args:
          target: a path or a binary stream.
          container: ffmpeg's name of the format.
          codec: ffmpeg's name of the encoder.
          pixel_format: ffmpeg's name; YUV formats are converted and tagged as BT.709.
          settings: size and rate; smaller images get their edge repeated.
          time_base: of the time stamps, where the format has a fixed one; else `1 / rate`.
          codec_options: ffmpeg's options.
          container_options: ffmpeg's options.
        """
        self._settings = settings
        self._time_base = time_base or 1 / settings.rate
        self._index = 0
        self._container = av.open(target, "w", format=container, options=container_options or {})
        stream: Any = self._container.add_stream(
            codec, rate=settings.rate, options=codec_options or {}
        )
        stream.width, stream.height = settings.width, settings.height
        stream.pix_fmt = pixel_format
        stream.time_base = stream.codec_context.time_base = self._time_base
        if pixel_format.startswith("yuv"):
            context = stream.codec_context
            context.color_range = _LIMITED_RANGE
            context.colorspace = context.color_primaries = context.color_trc = _BT709
            self._converter = conversion.to_bt709(pixel_format, self._time_base)
        else:
            if pixel_format == "gbrp":
                stream.codec_context.colorspace = _RGB
            self._converter = conversion.Converter(pixel_format, self._time_base)
        self._stream = stream

    def write(self, image: Picture) -> None:
        """Encodes the next image."""
        missing = (self._settings.height - image.shape[0], self._settings.width - image.shape[1])
        if any(missing):
            image = np.pad(image, ((0, missing[0]), (0, missing[1]), (0, 0)), mode="edge")
        self.write_frame(conversion.frame_of(image))

    def write_frame(self, frame: av.VideoFrame) -> None:
        """Encodes the next frame, whatever its pixel format."""
        start, stop = self._ticks(self._index), self._ticks(self._index + 1)
        frame.time_base = self._time_base
        frame = self._converter.convert(frame)
        frame.pts = start
        frame.duration = stop - start
        self._container.mux(self._stream.encode(frame))
        self._index += 1

    def finish(self) -> None:
        """Writes what is left and closes the file."""
        self._container.mux(self._stream.encode(None))
        self._container.close()

    def drop(self) -> None:
        """Closes the file as it is."""
        with contextlib.suppress(OSError, av.error.FFmpegError):
            self._container.close()

    def _ticks(self, index: int) -> int:
        """When image `index` begins: rounded from its exact time, so that nothing drifts."""
        return round(index / self._settings.rate / self._time_base)


class WebpEncoder(StreamEncoder):
    """Animated WebP; sets right how long the last frame lasts, which the encoder guesses."""

    def __init__(self, target: str, settings: Settings):
        """Opens the file."""
        self._path = Path(target)
        quality = 75 if settings.lossless else 100 - settings.crf  # lossless: effort
        super().__init__(
            target,
            container="webp",
            codec="libwebp_anim",
            pixel_format="bgra",
            settings=settings,
            time_base=Fraction(1, 1000),
            codec_options={"lossless": str(int(settings.lossless)), "quality": str(quality)},
            container_options={"loop": str(_plays(settings.loop_count))},
        )

    def finish(self) -> None:
        """Writes what is left and closes the file."""
        super().finish()
        _set_webp_duration(self._path, self._ticks(self._index))


class FolderEncoder:
    """Numbered PNG files: 0000.png, 0001.png, ..."""

    def __init__(self, folder: Path, *, num_frames: int | None):
        """Sets the number of digits by the number of images to come, where known."""
        self._folder = folder
        self._digits = max(4, len(str((num_frames or 1) - 1)))
        self._index = 0

    def write(self, image: Picture) -> None:
        """Writes the next picture."""
        name = f"{self._index:0{self._digits}d}.png"
        Image.fromarray(image).save(self._folder / name, compress_level=4)
        self._index += 1

    def finish(self) -> None:
        """Does nothing: every picture is written."""

    def drop(self) -> None:
        """Does nothing."""


def open_apng_encoder(target: str, settings: Settings) -> StreamEncoder:
    """Animated PNG, which browsers that know none show as its first frame."""
    return StreamEncoder(
        target,
        container="apng",
        codec="apng",
        pixel_format="rgba" if settings.alpha else "rgb24",
        settings=settings,
        codec_options={"pred": "mixed", "compression_level": "4"},
        container_options={"plays": str(_plays(settings.loop_count))},
    )


def open_video_encoder(target: Any, format_name: str, settings: Settings) -> StreamEncoder:
    """MP4, MKV or WebM, with the codec that keeps what the settings ask for."""
    if format_name == "webm" or (settings.alpha and not settings.lossless):
        codec, pixel_format, options = _vp9(settings)
    elif settings.alpha:
        codec, pixel_format, options = "ffv1", "bgra", FFV1_OPTIONS
    elif settings.lossless:
        codec, pixel_format, options = "libx264rgb", "bgr24", {"qp": "0"}
    else:
        codec, pixel_format, options = "libx264", "yuv420p", {"crf": str(settings.crf)}
    return StreamEncoder(
        target,
        container={"mp4": "mp4", "mkv": "matroska", "webm": "webm"}[format_name],
        codec=codec,
        pixel_format=pixel_format,
        settings=settings,
        codec_options=options,
        container_options={"movflags": "+faststart"} if format_name == "mp4" else {},
    )


def _vp9(settings: Settings) -> tuple[str, str, dict[str, str]]:
    options = {"b": "0", "row-mt": "1", "cpu-used": "3", "deadline": "good"}
    if settings.lossless:
        # Profile 1 holds RGB; a rate factor would exclude `lossless`.
        options |= {"lossless": "1", "crf": "0", "profile": "1"}
        return "libvpx-vp9", "gbrp", options
    options["crf"] = str(settings.crf)
    if settings.alpha:
        options["auto-alt-ref"] = "0"  # libvpx refuses hidden frames with alpha
    return "libvpx-vp9", "yuva420p" if settings.alpha else "yuv420p", options


def _plays(loop_count: int | None) -> int:
    """How often the animation plays, 0 for ever; GIFs count how often it plays again."""
    if loop_count is None:
        return 1
    return loop_count + 1 if loop_count else 0


def _set_webp_duration(path: Path, total: int) -> None:
    """Lets the last frame end at `total` milliseconds (WebP container, ANMF chunk)."""
    with path.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        position, last, elapsed = 12, None, 0
        while position + 8 <= size:
            file.seek(position)
            header = file.read(8)
            if header[:4] == b"ANMF":
                last = position + 8 + 12
                file.seek(last)
                duration = int.from_bytes(file.read(3), "little")
                elapsed += duration
            length = int.from_bytes(header[4:], "little")
            position += 8 + length + length % 2
        if last is not None:
            file.seek(last)
            file.write((total - (elapsed - duration)).to_bytes(3, "little"))
