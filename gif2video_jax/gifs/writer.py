"""Writes GIF files (GIF89a) that hold exactly the indices and palettes that they are given.

Pillow's own `save` merges equal frames and reorders palettes, so the container is written here,
block by block; Pillow compresses the pixels (LZW, GIF89a appendix F). Frames are written as they
come: memory holds one at a time.
"""

import contextlib
import os
import struct
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from gif2video_jax.errors import InputError
from gif2video_jax.gifs.palette import Palette
from gif2video_jax.whole_files import put_in_place

_TRAILER = b";"
_MAX_SIDE = 65_535
_MAX_DELAY_MS = 655_350


@runtime_checkable
class ByteSink(Protocol):
    """Whatever takes bytes: an open binary file, a pipe, `io.BytesIO`."""

    def write(self, data: bytes, /) -> object:
        """Takes all of `data`."""


class GifWriter:
    """Writes one frame after another to an open binary file.

    A global colour table is written when `palette` is given; frames with that palette use it and
    others bring their own. Colour tables have 2, 4, 8, ... 256 entries (GIF89a section 19), so a
    palette of 5 colours reads back as 8 of which the last three are black.
    """

    def __init__(
        self,
        stream: ByteSink,
        width: int,
        height: int,
        *,
        palette: Palette | None = None,
        loop_count: int | None = 0,
    ):
        """Writes the header.

        Args:
          stream: where to write; it is not closed.
          width: pixels, 1 to 65535.
          height: pixels, 1 to 65535.
          palette: the global palette, if there is one.
          loop_count: 0 for ever, n for n repetitions, None for a GIF that plays once.

        Raises:
          InputError: for a size or a loop count that a GIF can't hold.
        """
        if not (1 <= width <= _MAX_SIDE and 1 <= height <= _MAX_SIDE):
            raise InputError(f"a GIF is 1 to {_MAX_SIDE} pixels a side, got {width}x{height}")
        if loop_count is not None and not 0 <= loop_count <= 65_535:
            raise InputError(f"a GIF loops 0 (for ever) to 65535 times, got {loop_count}")
        self._stream = stream
        self.width, self.height, self.num_frames = width, height, 0
        self._palette = palette
        flags = 0x70 | (0 if palette is None else 0x80 | _table_bits(palette) - 1)
        stream.write(b"GIF89a" + struct.pack("<HHBBB", width, height, flags, 0, 0))
        if palette is not None:
            stream.write(_color_table(palette))
        if loop_count is not None:
            loop = struct.pack("<BHB", 1, loop_count, 0)
            stream.write(b"\x21\xff\x0bNETSCAPE2.0\x03" + loop)

    def write(self, indices: UInt8[np.ndarray, "h w"], palette: Palette, delay_ms: int) -> None:
        """Adds a full frame that stays for `delay_ms`, rounded to hundredths of a second.

        Raises:
          ValueError: for another size or type, or an index that the palette doesn't have.
          InputError: for a delay that a GIF can't hold.
        """
        width, height = self.width, self.height
        if indices.shape != (height, width) or indices.dtype != np.uint8:
            raise ValueError(
                f"indices: expected uint8 {(height, width)}, got {indices.dtype} {indices.shape}"
            )
        if indices.max() >= palette.num_colors:
            raise ValueError(
                f"indices: expected below {palette.num_colors}, the palette's colours, "
                f"got {indices.max()}"
            )
        if not 0 <= delay_ms <= _MAX_DELAY_MS:
            raise InputError(f"a GIF's delay is 0 to {_MAX_DELAY_MS} ms, got {delay_ms}")
        hundredths = int(delay_ms / 10 + 0.5)
        local = self._palette is None or not same_palette(palette, self._palette)
        bits = _table_bits(palette)
        flags = 0x80 | bits - 1 if local else 0
        self._stream.write(b"\x21\xf9\x04" + struct.pack("<BHBB", 1 << 2, hundredths, 0, 0))
        self._stream.write(b"\x2c" + struct.pack("<HHHHB", 0, 0, width, height, flags))
        if local:
            self._stream.write(_color_table(palette))
        code_size = max(2, bits)  # GIF89a section 22: two-colour images start at 2 as well.
        picture = Image.fromarray(np.ascontiguousarray(indices)).convert("P")
        blocks = picture.tobytes("gif", "P", code_size, 0)
        self._stream.write(bytes([code_size]) + blocks + b"\0")
        self.num_frames += 1

    def finish(self) -> None:
        """Writes the trailer, after which nothing may follow."""
        self._stream.write(_TRAILER)


def write_gif(
    path: str | os.PathLike,
    frames: Iterable[tuple[UInt8[np.ndarray, "h w"], Palette]],
    delays_ms: int | Sequence[int],
    loop_count: int | None = 0,
) -> None:
    """Writes frames to a GIF file, with a global palette where all frames have the same one.

    Args:
      path: the file, replaced if it exists.
      frames: (indices, palette) of each frame, all of one size.
      delays_ms: how long each frame stays, or one number for all.
      loop_count: 0 for ever, n for n repetitions, None for a GIF that plays once.

    Raises:
      InputError: without frames, or for values that a GIF can't hold.
      ValueError: for frames of unequal sizes, too few delays, or indices beyond the palette.
    """
    frames = list(frames)
    if not frames:
        raise InputError(f"{os.fspath(path)}: a GIF needs at least one frame")
    delays = [delays_ms] * len(frames) if isinstance(delays_ms, int) else list(delays_ms)
    if len(delays) != len(frames):
        raise ValueError(f"delays_ms: expected {len(frames)}, one a frame, got {len(delays)}")
    height, width = frames[0][0].shape
    first = frames[0][1]
    shared = all(same_palette(palette, first) for _, palette in frames)
    with open_whole(path, overwrite=True) as stream:
        common = first if shared else None
        writer = GifWriter(stream, width, height, palette=common, loop_count=loop_count)
        for (indices, palette), delay in zip(frames, delays, strict=True):
            writer.write(indices, palette, delay)
        writer.finish()


@contextlib.contextmanager
def open_whole(output: str | os.PathLike | ByteSink, overwrite: bool = False) -> Iterator[ByteSink]:
    """Opens a file that appears under its name only when it was written without an error.

    A stream is handed through as it is.

    Raises:
      InputError: for a file that exists without `overwrite`, or a folder that can't be written.
    """
    if not isinstance(output, (str, os.PathLike)):
        yield output
        return
    path = os.fspath(output)
    if os.path.isdir(path):
        raise InputError(f"{path}: is a folder, expected a file to write")
    if os.path.exists(path) and not overwrite:
        raise InputError(f"{path}: exists already; say overwrite to replace it")
    try:
        handle, beside = tempfile.mkstemp(
            prefix=".", suffix=".gif.part", dir=os.path.dirname(path) or "."
        )
    except OSError as error:
        raise InputError(f"{path}: can't write there: {error.strerror}") from None
    try:
        with os.fdopen(handle, "wb") as stream:
            yield stream
        put_in_place(beside, path)
    except BaseException:
        os.unlink(beside)
        raise


def same_palette(one: Palette, other: Palette) -> bool:
    """Whether both hold the same colours in the same order."""
    return one is other or (
        one.num_colors == other.num_colors and np.array_equal(one.colors, other.colors)
    )


def _table_bits(palette: Palette) -> int:
    """The colour table has 2 ** bits entries."""
    return max(1, (palette.num_colors - 1).bit_length())


def _color_table(palette: Palette) -> bytes:
    return palette.colors[: 1 << _table_bits(palette)].tobytes()
