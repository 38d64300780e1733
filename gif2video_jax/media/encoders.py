"""One encoder for each kind of output; each takes images one by one and keeps few of them."""

import contextlib
import os
import tempfile
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import av
import av.filter
import av.video.reformatter
import numpy as np
from jaxtyping import UInt8
from PIL import Image

from gif2video_jax.media import conversion

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
        width: int,
        height: int,
        rate: Fraction,
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
          width: of the encoded picture; images smaller by one get their edge repeated.
          height: likewise.
          rate: images a second.
          time_base: of the time stamps, where the format has a fixed one; else `1 / rate`.
          codec_options: ffmpeg's options.
          container_options: ffmpeg's options.
        """
        self._size = (height, width)
        self._rate = rate
        self._time_base = time_base or 1 / rate
        self._index = 0
        self._container = av.open(target, "w", format=container, options=container_options or {})
        stream: Any = self._container.add_stream(codec, rate=rate, options=codec_options or {})
        stream.width, stream.height, stream.pix_fmt = width, height, pixel_format
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
        height, width = self._size
        missing = (height - image.shape[0], width - image.shape[1])
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
        return round(index / self._rate / self._time_base)


class WebpEncoder(StreamEncoder):
    """Animated WebP; sets right how long the last frame lasts, which the encoder guesses."""

    _MILLISECOND = Fraction(1, 1000)

    def __init__(self, target: str, *, rate: Fraction, **options: Any):
        """Opens the file; arguments as for `StreamEncoder`."""
        self._path = Path(target)
        super().__init__(target, rate=rate, time_base=self._MILLISECOND, **options)

    def finish(self) -> None:
        """Writes what is left and closes the file."""
        super().finish()
        _set_webp_duration(self._path, self._ticks(self._index))


class GifEncoder:
    """GIF by ffmpeg's palettegen and paletteuse, over the whole clip.

    The palette needs all frames before the first can be written: they wait in a lossless
    temporary file while palettegen counts their colours.
    """

    _CENTISECOND = Fraction(1, 100)

    def __init__(
        self,
        target: str,
        *,
        width: int,
        height: int,
        rate: Fraction,
        alpha: bool,
        loop_count: int | None,
    ):
        """Opens the temporary file and the palette generator.

        Args:
          target: the file to write.
          width: of the images.
          height: of the images.
          rate: images a second, at most 50.
          alpha: whether images have an alpha channel, of which one bit is kept.
          loop_count: as GIF's loop extension has it; None leaves it out.
        """
        self._target = target
        self._options = {"width": width, "height": height, "rate": rate}
        self._loop_count = loop_count
        self._alpha = alpha
        self._num_frames = 0
        self._spool = tempfile.TemporaryFile(prefix="gif2video")  # noqa: SIM115
        self._pixel_format = "bgra" if alpha else "bgr0"
        self._spool_encoder = StreamEncoder(
            self._spool,
            container="matroska",
            codec="ffv1",
            pixel_format=self._pixel_format,
            codec_options=FFV1_OPTIONS,
            **self._options,
        )
        self._palette_graph = av.filter.Graph()
        self._palette_graph.link_nodes(
            self._add_video_input(self._palette_graph),
            self._palette_graph.add("palettegen", f"reserve_transparent={int(alpha)}"),
            self._palette_graph.add("buffersink"),
        ).configure()

    def write(self, image: Picture) -> None:
        """Counts the image's colours and puts it aside."""
        self._spool_encoder.write(image)
        frame = conversion.frame_of(image).reformat(format=self._pixel_format)
        self._push(self._palette_graph, frame, self._num_frames)
        self._num_frames += 1

    def finish(self) -> None:
        """Writes the GIF from what was put aside."""
        self._spool_encoder.finish()
        self._palette_graph.push(None)
        palette = self._palette_graph.pull()
        self._spool.seek(0)
        encoder = self._open_gif()
        try:
            graph, video_input, palette_input, output = self._mapping_graph(palette)
            palette_input.push(palette)
            palette_input.push(None)
            with av.open(self._spool) as container:
                for index, frame in enumerate(container.decode(video=0)):
                    frame.pts, frame.time_base = index, 1 / self._options["rate"]
                    video_input.push(frame)
                    self._drain(output, encoder)
            video_input.push(None)
            self._drain(output, encoder)
            encoder.finish()
        except BaseException:
            encoder.drop()
            raise
        finally:
            self._spool.close()

    def drop(self) -> None:
        """Closes the temporary file, which removes it."""
        self._spool_encoder.drop()
        self._spool.close()

    def _open_gif(self) -> StreamEncoder:
        rate = self._options["rate"]
        last = self._num_frames - 1
        ticks = [round(index / rate / self._CENTISECOND) for index in (last, last + 1)]
        return StreamEncoder(
            self._target,
            container="gif",
            codec="gif",
            pixel_format="pal8",
            time_base=self._CENTISECOND,
            container_options={
                "loop": str(-1 if self._loop_count is None else self._loop_count),
                "final_delay": str(ticks[1] - ticks[0]),
            },
            **self._options,
        )

    def _mapping_graph(self, palette):
        graph = av.filter.Graph()
        video_input = self._add_video_input(graph)
        palette_input = graph.add_buffer(
            width=palette.width,
            height=palette.height,
            format=palette.format,
            time_base=1 / self._options["rate"],
        )
        mapping = graph.add("paletteuse", "dither=sierra2_4a:alpha_threshold=128")
        output = graph.add("buffersink")
        video_input.link_to(mapping, 0, 0)
        palette_input.link_to(mapping, 0, 1)
        mapping.link_to(output)
        graph.configure()
        return graph, video_input, palette_input, output

    def _add_video_input(self, graph: av.filter.Graph):
        return graph.add_buffer(
            width=self._options["width"],
            height=self._options["height"],
            format=self._pixel_format,
            time_base=1 / self._options["rate"],
        )

    def _push(self, graph: av.filter.Graph, frame: av.VideoFrame, index: int) -> None:
        frame.pts, frame.time_base = index, 1 / self._options["rate"]
        graph.push(frame)

    @staticmethod
    def _drain(output, encoder: StreamEncoder) -> None:
        while True:
            try:
                encoder.write_frame(output.pull())
            except (BlockingIOError, EOFError):
                return


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

