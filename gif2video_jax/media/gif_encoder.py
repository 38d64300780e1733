"""Writes GIFs: two passes over the frames, in bounded memory."""

import contextlib
import tempfile
from fractions import Fraction
from typing import Any

import av
import av.filter

from gif2video_jax.media import conversion
from gif2video_jax.media.encoders import FFV1_OPTIONS, Picture, StreamEncoder
from gif2video_jax.media.formats import Settings

_CENTISECOND = Fraction(1, 100)


class GifEncoder:
    """GIF by ffmpeg's palettegen and paletteuse, over the whole clip.

    The palette needs all frames before the first can be written: they wait in a lossless
    temporary file while palettegen counts their colours.
    """

    def __init__(self, target: str, settings: Settings):
        """Opens the temporary file and the palette generator."""
        self._target = target
        self._settings = settings
        self._tick = 1 / settings.rate
        self._num_frames = 0
        self._pixel_format = "bgra" if settings.alpha else "bgr0"
        self._spool = tempfile.TemporaryFile(prefix="gif2video")  # noqa: SIM115
        self._spool_encoder = StreamEncoder(
            self._spool,
            container="matroska",
            codec="ffv1",
            pixel_format=self._pixel_format,
            settings=settings,
            codec_options=FFV1_OPTIONS,
        )
        self._palette_graph = av.filter.Graph()
        self._palette_graph.link_nodes(
            self._add_input(self._palette_graph),
            self._palette_graph.add("palettegen", f"reserve_transparent={int(settings.alpha)}"),
            self._palette_graph.add("buffersink"),
        ).configure()

    def write(self, image: Picture) -> None:
        """Counts the image's colours and puts it aside."""
        self._spool_encoder.write(image)
        frame = conversion.frame_of(image).reformat(format=self._pixel_format)
        frame.pts, frame.time_base = self._num_frames, self._tick
        self._palette_graph.push(frame)
        with contextlib.suppress(BlockingIOError):
            self._palette_graph.pull()  # lets the frame go: pushed frames wait to be asked for
        self._num_frames += 1

    def finish(self) -> None:
        """Writes the GIF from what was put aside."""
        self._spool_encoder.finish()
        self._palette_graph.push(None)
        palette = self._palette_graph.pull()
        assert isinstance(palette, av.VideoFrame)
        self._spool.seek(0)
        encoder = self._open_gif()
        try:
            video_input, output = self._mapping_graph(palette)
            with av.open(self._spool, "r") as container:
                for index, frame in enumerate(container.decode(video=0)):
                    frame.pts, frame.time_base = index, self._tick
                    video_input.push(frame)
                    _drain(output, encoder)
            video_input.push(None)
            _drain(output, encoder)
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
        last = self._num_frames - 1
        begin, end = (
            round(index / self._settings.rate / _CENTISECOND) for index in (last, last + 1)
        )
        loop_count = self._settings.loop_count
        return StreamEncoder(
            self._target,
            container="gif",
            codec="gif",
            pixel_format="pal8",
            settings=self._settings,
            time_base=_CENTISECOND,
            container_options={
                "loop": str(-1 if loop_count is None else loop_count),
                "final_delay": str(end - begin),
            },
        )

    def _mapping_graph(self, palette: av.VideoFrame) -> tuple[Any, Any]:
        """The graph that maps frames to the palette: where frames go in and come out."""
        graph = av.filter.Graph()
        video_input = self._add_input(graph)
        palette_input = graph.add_buffer(
            width=palette.width,
            height=palette.height,
            format=palette.format,
            time_base=self._tick,
        )
        mapping = graph.add("paletteuse", "dither=sierra2_4a:alpha_threshold=128")
        output = graph.add("buffersink")
        video_input.link_to(mapping, 0, 0)
        palette_input.link_to(mapping, 0, 1)
        mapping.link_to(output)
        graph.configure()
        palette_input.push(palette)
        palette_input.push(None)
        self._graph = graph  # the nodes do not keep it alive
        return video_input, output

    def _add_input(self, graph: av.filter.Graph) -> Any:
        return graph.add_buffer(
            width=self._settings.width,
            height=self._settings.height,
            format=av.VideoFormat(self._pixel_format),
            time_base=self._tick,
        )


def _drain(output: Any, encoder: StreamEncoder) -> None:
    """Encodes the frames that are ready."""
    while True:
        try:
            encoder.write_frame(output.pull())
        except (BlockingIOError, EOFError):
            return
