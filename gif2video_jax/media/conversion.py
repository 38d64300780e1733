"""Colour conversion between RGB arrays and a codec's pixel formats.

Done by ffmpeg's `scale` filter with every choice spelled out: by default it would convert by
BT.601 and leave the tag to the player's guess.
"""

from fractions import Fraction

import av
import av.filter
import numpy as np
from jaxtyping import UInt8

# Without these flags swscale trades exactness for speed and halves chroma from every other pixel.
_FLAGS = "bicubic+accurate_rnd+full_chroma_int+full_chroma_inp"


class Converter:
    """Converts frames to one pixel format; rebuilt when the frames' form changes."""

    def __init__(self, pixel_format: str, time_base: Fraction, scale_options: str = ""):
        """Remembers the target; the filter graph is built for the first frame.

        Args:
          pixel_format: ffmpeg's name of the target format.
          time_base: of the frames' time stamps.
          scale_options: further options of the `scale` filter.
        """
        self._pixel_format = pixel_format
        self._time_base = time_base
        self._scale_options = f"flags={_FLAGS}" + (f":{scale_options}" if scale_options else "")
        self._key: tuple | None = None
        self._graph: av.filter.Graph

    def convert(self, frame: av.VideoFrame) -> av.VideoFrame:
        """Returns the frame in the target format, with the same time stamp."""
        pts = frame.pts
        frame.pts = 0 if pts is None else pts
        key = (frame.width, frame.height, frame.format.name, frame.colorspace, frame.color_range)
        if key != self._key:
            self._graph = self._build(frame)
            self._key = key
        self._graph.push(frame)
        converted = self._graph.pull()
        assert isinstance(converted, av.VideoFrame)
        frame.pts = pts
        converted.pts = pts
        converted.time_base = self._time_base
        return converted

    def _build(self, frame: av.VideoFrame) -> av.filter.Graph:
        graph = av.filter.Graph()
        graph.link_nodes(
            graph.add_buffer(
                width=frame.width,
                height=frame.height,
                format=frame.format,
                time_base=self._time_base,
            ),
            graph.add("scale", self._scale_options),
            graph.add("format", self._pixel_format),
            graph.add("buffersink"),
        ).configure()
        return graph


def to_bt709(pixel_format: str, time_base: Fraction) -> Converter:
    """A converter from RGB to limited-range BT.709, the colours that players expect of video."""
    return Converter(pixel_format, time_base, "out_color_matrix=bt709:out_range=tv")


def frame_of(image: UInt8[np.ndarray, "h w c"]) -> av.VideoFrame:
    """Wraps an RGB or RGBA image."""
    return av.VideoFrame.from_ndarray(
        np.ascontiguousarray(image), format="rgb24" if image.shape[2] == 3 else "rgba"
    )
