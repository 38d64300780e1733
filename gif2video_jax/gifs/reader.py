"""Reads GIF files as browsers show them, frame by frame, keeping what the networks need.

A frame is the whole screen after one image was drawn, with each pixel's palette index and the
palette of the image that drew it. The rules are GIF89a's, and where browsers agree on something
else, the browsers' (disposal to background clears to transparent; the first image may enlarge the
screen; disposal 4 means 3).
"""

import contextlib
import dataclasses
import weakref
from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool, UInt8, UInt16

from gif2video_jax.gifs import lzw
from gif2video_jax.gifs.blocks import BlockReader, Box, ImageBlock, Source, open_source
from gif2video_jax.gifs.canvas import Canvas
from gif2video_jax.gifs.palette import Palette
from gif2video_jax.gifs.structure import (
    MAX_PIXELS,
    FrameInfo,
    GifInfo,
    check_pixels,
    clip,
    effective_box,
    no_frame,
    scan_gif,
    screen_size,
)

__all__ = [
    "MAX_PIXELS",
    "Frame",
    "FrameInfo",
    "Gif",
    "GifInfo",
    "GifReader",
    "open_gif",
    "read_gif",
    "scan_gif",
]

_TO_BACKGROUND, _TO_PREVIOUS = 2, 3
_GREY_RAMP = Palette.from_colors(np.repeat(np.arange(256, dtype=np.uint8), 3).reshape(256, 3))


@dataclasses.dataclass(frozen=True, eq=False)
class Frame:
    """The screen after one image was drawn. Arrays are read-only and may be shared by frames.

    Attributes:
      rgb: composited as a browser does, [0, 255]; 0 where nothing is drawn.
      alpha: True where opaque; None if all of it is.
      indices: each pixel's index in the palette of the image that drew it.
      palette_ids: which of `palettes` that is; both are 0 where nothing is drawn.
      palettes: those that pixels of this frame use, and never none: the image's own if nothing
        is drawn. A palette covers all indices used with it (black where the file has no colour).
      delay_ms: as the file says, hundredths of a second times ten; see `timeline` for browsers'.
      disposal: 0 to 7, as the file says.
      interlaced: how the image was stored.
      box: left, top, width, height of the image, clipped to the screen.
      local_palette: whether the image brought its own palette.
      transparent_index: the index that is not drawn, or None.
    """

    rgb: UInt8[np.ndarray, "h w 3"]
    alpha: Bool[np.ndarray, "h w"] | None
    indices: UInt8[np.ndarray, "h w"]
    palette_ids: UInt16[np.ndarray, "h w"]
    palettes: tuple[Palette, ...]
    delay_ms: int
    disposal: int
    interlaced: bool
    box: Box
    local_palette: bool
    transparent_index: int | None


@dataclasses.dataclass(frozen=True, eq=False)
class Gif:
    """A whole GIF in memory.

    Attributes:
      width: of the screen, in pixels.
      height: of the screen, in pixels.
      frames: at least one.
      loop_count: None without a loop extension, 0 for ever, else how often it repeats.
      background: the background colour, which browsers ignore, or None.
      comments: the file's comments.
      problems: what was wrong with the file, one line each.
    """

    width: int
    height: int
    frames: list[Frame]
    loop_count: int | None
    background: tuple[int, int, int] | None
    comments: list[str]
    problems: list[str]


class GifReader:
    """Yields frames while reading; memory does not grow with the number of frames.

    A context manager and an iterator, good for one pass. `loop_count`, `comments` and `problems`
    are complete once all frames were read (a loop extension normally comes before the first).

    Attributes:
      name: the file's name, for messages.
      width: of the screen, in pixels.
      height: of the screen, in pixels.
      background: the background colour, which browsers ignore, or None.
    """

    def __init__(self, source: Source, *, max_pixels: int = MAX_PIXELS):
        """Opens the source and reads up to its first image; see `open_gif`."""
        self._resources = contextlib.ExitStack()
        with contextlib.ExitStack() as on_error:
            on_error.callback(self._resources.close)
            file, self.name = self._resources.enter_context(open_source(source))
            self._blocks = BlockReader(file, self.name)
            self._images = self._blocks.images()
            self._first = next(self._images, None)
            if self._first is None:
                raise no_frame(self._blocks)
            self._max_pixels = max_pixels
            self.width, self.height = screen_size(self._blocks, self._first, max_pixels)
            on_error.pop_all()
        self.background = self._blocks.background
        self._frames = self._decode()

    @property
    def loop_count(self) -> int | None:
        """None without a loop extension, 0 for ever, else how often it repeats."""
        return self._blocks.loop_count

    @property
    def comments(self) -> list[str]:
        """The comments so far."""
        return self._blocks.comments

    @property
    def problems(self) -> list[str]:
        """What was wrong with the file so far, one line each."""
        return self._blocks.problems

    def __iter__(self) -> Iterator[Frame]:
        """The reader itself: frames can be read once."""
        return self

    def __next__(self) -> Frame:
        """The next frame.

        Raises:
          InputError: not a single pixel of the whole file could be decoded, or an image claims
            more than `max_pixels`.
        """
        return next(self._frames)

    def __enter__(self) -> "GifReader":
        """The reader itself."""
        return self

    def __exit__(self, *_) -> None:
        """Closes the file."""
        self.close()

    def close(self) -> None:
        """Closes the file, if it was opened here."""
        self._resources.close()

    def _decode(self) -> Iterator[Frame]:
        assert self._first is not None
        canvas = Canvas.empty(self.width, self.height)
        interned: weakref.WeakValueDictionary[bytes, Palette] = weakref.WeakValueDictionary()
        drawn_at_all = False
        image: ImageBlock | None = self._first
        self._first = None
        while image is not None:
            box = effective_box(image, (self.width, self.height))
            check_pixels(self.name, "an image", box[2], box[3], self._max_pixels)
            before = canvas
            palette = image.palette or self._blocks.global_palette or _GREY_RAMP
            if palette is _GREY_RAMP:
                self._report("has no palette: shown in grey")
            indices, drawn = self._decode_image(image, box)
            palette = _cover(palette, indices)
            key = bytes([palette.num_colors - 1]) + palette.colors.tobytes()
            palette = interned.setdefault(key, palette)
            drawn_at_all |= drawn is None or bool(drawn.any())
            if image.transparent_index is not None:
                visible = indices != image.transparent_index
                drawn = visible if drawn is None else drawn & visible
            canvas = canvas.draw(box, indices, drawn, palette)
            visible_box = clip(box, (self.width, self.height))
            yield Frame(
                rgb=canvas.rgb,
                alpha=None if canvas.opaque else canvas.alpha,
                indices=canvas.indices,
                palette_ids=canvas.palette_ids,
                palettes=canvas.palettes or (palette,),
                delay_ms=image.delay_ms,
                disposal=image.disposal,
                interlaced=image.interlaced,
                box=visible_box,
                local_palette=image.palette is not None,
                transparent_index=image.transparent_index,
            )
            if image.disposal == _TO_BACKGROUND:
                canvas = canvas.clear(box)
            elif image.disposal in (_TO_PREVIOUS, 4):
                canvas = before
            image = next(self._images, None)
        if not drawn_at_all:
            raise no_frame(self._blocks)

    def _decode_image(self, image: ImageBlock, box: Box) -> tuple[np.ndarray, np.ndarray | None]:
        width, height = box[2:]
        indices, drawn = lzw.decode_indices(
            image.data, image.code_size, width, height, image.interlaced
        )
        if drawn is not None:
            kept = int(np.count_nonzero(drawn))
            self._report(f"is damaged: {kept} of {drawn.size} pixels could be decoded")
        return indices, drawn

    def _report(self, what: str) -> None:
        self._blocks.problems.append(f"frame {self._blocks.num_images - 1} {what}")


def open_gif(source: Source, *, max_pixels: int = MAX_PIXELS) -> GifReader:
    """Opens a GIF for streaming.

    Args:
      source: a path, `"-"` for standard input, the file's bytes, or an open binary file.
      max_pixels: refuse a screen or an image that claims more pixels than this.

    Returns:
      A context manager and iterator of `Frame`.

    Raises:
      InputError: the file cannot be read, is not a GIF, has no frame, or claims too many pixels.
    """
    return GifReader(source, max_pixels=max_pixels)


def read_gif(source: Source, *, max_pixels: int = MAX_PIXELS) -> Gif:
    """Reads a whole GIF into memory; arguments and errors as in `open_gif`."""
    with open_gif(source, max_pixels=max_pixels) as reader:
        frames = list(reader)
        return Gif(
            width=reader.width,
            height=reader.height,
            frames=frames,
            loop_count=reader.loop_count,
            background=reader.background,
            comments=reader.comments,
            problems=reader.problems,
        )


def _cover(palette: Palette, indices: np.ndarray) -> Palette:
    """Lengthens the palette with black so that every index has a colour, as browsers do."""
    highest = int(indices.max(initial=0))
    if highest < palette.num_colors:
        return palette
    return Palette(palette.colors, highest + 1)
