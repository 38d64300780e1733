"""The blocks of a GIF file: header, palettes, extensions and images, without their pixels.

A GIF is a header and a stream of blocks (GIF89a, appendix B). This module reads them one by one
from any byte stream, never seeks, and keeps one image's compressed bytes at a time. It is lenient
where browsers are: what comes before the damage is kept, and `problems` says what was wrong.
"""

import contextlib
import dataclasses
import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from gif2video_jax.errors import InputError
from gif2video_jax.gifs import lzw
from gif2video_jax.gifs.palette import Palette

Box = tuple[int, int, int, int]

MAX_COMMENT_BYTES = 1 << 20  # of all comments together; the rest is dropped
_IMAGE, _EXTENSION, _TRAILER = 0x2C, 0x21, 0x3B
_COMMENT, _GRAPHIC_CONTROL, _APPLICATION = 0xFE, 0xF9, 0xFF
_LOOPING = (b"NETSCAPE2.0", b"ANIMEXTS1.0")


@runtime_checkable
class Readable(Protocol):
    """An open binary file, as far as it is used here."""

    def read(self, size: int = -1, /) -> bytes | None:
        """Reads up to `size` bytes; empty at the end."""


Source = str | os.PathLike | bytes | Readable


@dataclasses.dataclass(frozen=True)
class ImageBlock:
    """One image with the graphic control extension before it (GIF89a, sections 20 to 23).

    Attributes:
      box: left, top, width, height on the screen, as the file says.
      interlaced: rows come in four passes.
      palette: the local palette, or None.
      delay_ms: hundredths of a second in the file, times ten; 0 where the file has none.
      disposal: 0 to 7, as the file says.
      transparent_index: the index that is not drawn, or None.
      code_size: the LZW minimum code size.
      data: the data sub-blocks as they are in the file, without the terminator.
      whole: False where the file ends within the image.
    """

    box: Box
    interlaced: bool
    palette: Palette | None
    delay_ms: int
    disposal: int
    transparent_index: int | None
    code_size: int
    data: bytes
    whole: bool


class _EndOfFile(Exception):
    """The file ends where more was expected."""


@contextlib.contextmanager
def open_source(source: Source) -> Iterator[tuple[Any, str]]:
    """Opens a path, `"-"` (standard input), bytes, or an open binary file; yields file and name.

    Only what was opened here is closed.

    Raises:
      InputError: missing, a folder, not readable.
    """
    if isinstance(source, bytes):
        yield io.BytesIO(source), "<bytes>"
    elif isinstance(source, (str, os.PathLike)):
        if str(source) == "-":
            yield sys.stdin.buffer, "standard input"
            return
        name = os.fspath(source)
        try:
            file = Path(source).open("rb")
        except IsADirectoryError:
            raise InputError(f"{name}: is a folder, expected a GIF file") from None
        except FileNotFoundError:
            raise InputError(f"{name}: no such file") from None
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise InputError(f"{name}: cannot be read: {reason}") from None
        with file:
            yield file, str(name)
    else:
        yield source, str(getattr(source, "name", "<stream>"))


class BlockReader:
    """Reads the header at once, then yields images; the rest lands in attributes on the way.

    Attributes:
      screen_size: width and height of the logical screen; either may be 0.
      global_palette: or None.
      background: the background colour as the file says, or None.
      loop_count: None without a loop extension; 0 means for ever; else how often it repeats.
      comments: the comment extensions.
      problems: what was wrong with the file, one line each.
    """

    def __init__(self, file: Readable, name: str):
        """Reads header, screen descriptor and global palette.

        Raises:
          InputError: empty, not a GIF, or cut short before its first image.
        """
        self._file = file
        self._position = 0
        self.name = name
        self.loop_count: int | None = None
        self.comments: list[str] = []
        self.problems: list[str] = []
        self.num_images = 0
        self._comment_bytes = 0
        self._read_header()

    def _read_header(self) -> None:
        start = self._read_at_most(6)
        if not start:
            raise InputError(f"{self.name}: the file is empty, expected a GIF")
        if start not in (b"GIF87a", b"GIF89a"):
            raise InputError(
                f"{self.name}: not a GIF file: it starts with {start!r}, "
                "expected b'GIF87a' or b'GIF89a'"
            )
        try:
            screen = self._read(7)
            self.screen_size = (_uint16(screen, 0), _uint16(screen, 2))
            self.global_palette = self._read_palette(screen[4])
        except _EndOfFile:
            raise InputError(
                f"{self.name}: the GIF is cut short after {self._position} bytes, "
                "before its first image"
            ) from None
        self.background = None
        if self.global_palette and screen[5] < self.global_palette.num_colors:
            red, green, blue = self.global_palette.colors[screen[5]].tolist()
            self.background = (red, green, blue)

    def images(self) -> Iterator[ImageBlock]:
        """Yields the images in file order until the trailer, the end, or damage.

        An image that the file cuts short is yielded if it holds at least one pixel.
        """
        control: tuple[int, int, int | None] = (0, 0, None)
        while True:
            block = self._read_at_most(1)
            if not block:
                self.problems.append("the file ends without a trailer")
                return
            try:
                if block[0] == _TRAILER:
                    return
                if block[0] == _EXTENSION:
                    control = self._read_extension() or control
                elif block[0] == _IMAGE:
                    image = self._read_image(*control)
                    control = (0, 0, None)
                    if image.whole or lzw.holds_pixels(image.data, image.code_size):
                        self.num_images += 1
                        yield image
                    if not image.whole:
                        raise _EndOfFile
                elif block[0] != 0:  # stray terminators are common and harmless
                    self.problems.append(
                        f"byte {self._position - 1} is {block[0]:#04x}, expected an image, an "
                        "extension or the trailer: the rest of the file is ignored"
                    )
                    return
            except _EndOfFile:
                what = {_EXTENSION: "an extension", _IMAGE: "an image"}[block[0]]
                self.problems.append(f"the file ends within {what}, after {self._position} bytes")
                return

    def _read_image(self, delay_ms: int, disposal: int, transparent: int | None) -> ImageBlock:
        descriptor = self._read(9)
        flags = descriptor[8]
        palette = self._read_palette(flags)
        code_size = self._read(1)[0]
        data, whole = self._read_sub_blocks()
        left, top, width, height = (_uint16(descriptor, at) for at in (0, 2, 4, 6))
        return ImageBlock(
            box=(left, top, width, height),
            interlaced=bool(flags & 0x40),
            palette=palette,
            delay_ms=delay_ms,
            disposal=disposal,
            transparent_index=transparent,
            code_size=code_size,
            data=data,
            whole=whole,
        )

    def _read_extension(self) -> tuple[int, int, int | None] | None:
        """Reads one extension; returns delay, disposal and transparency of a graphic control."""
        label = self._read(1)[0]
        data, whole = self._read_sub_blocks(limit=None if label == _APPLICATION else 1 << 16)
        blocks = split_sub_blocks(data)
        if label == _COMMENT and self._comment_bytes < MAX_COMMENT_BYTES:
            comment = b"".join(blocks)
            self._comment_bytes += len(comment)
            self.comments.append(_decode_text(comment))
        if not whole:
            raise _EndOfFile
        if label == _APPLICATION and blocks and blocks[0] in _LOOPING:
            for block in blocks[1:]:
                if len(block) >= 3 and block[0] & 7 == 1:
                    self.loop_count = _uint16(block, 1)
        if label == _GRAPHIC_CONTROL and blocks and len(blocks[0]) >= 4:
            flags = blocks[0][0]
            transparent = blocks[0][3] if flags & 1 else None
            return _uint16(blocks[0], 1) * 10, flags >> 2 & 7, transparent
        return None

    def _read_palette(self, flags: int) -> Palette | None:
        if not flags & 0x80:
            return None
        colors = self._read(3 * (2 << (flags & 7)))
        return Palette.from_colors(np.frombuffer(colors, np.uint8).reshape(-1, 3))

    def _read_sub_blocks(self, limit: int | None = None) -> tuple[bytes, bool]:
        """Reads sub-blocks up to the terminator, keeping about `limit` bytes of them."""
        parts: list[bytes] = []
        kept = 0
        while True:
            length = self._read_at_most(1)
            if not length:
                return b"".join(parts), False
            if length[0] == 0:
                return b"".join(parts), True
            block = self._read_at_most(length[0])
            if block and (limit is None or kept < limit):
                # A last block that is cut short gets the length that it has.
                parts.append(bytes([len(block)]))
                parts.append(block)
                kept += len(block)
            if len(block) < length[0]:
                return b"".join(parts), False

    def _read(self, count: int) -> bytes:
        data = self._read_at_most(count)
        if len(data) < count:
            raise _EndOfFile
        return data

    def _read_at_most(self, count: int) -> bytes:
        """Reads `count` bytes, fewer only at the end of the file (pipes return short reads)."""
        data = b""
        while len(data) < count:
            try:
                more = self._file.read(count - len(data))
            except OSError as error:
                raise InputError(f"{self.name}: cannot be read: {error.strerror}") from None
            if not more:
                break
            data += more
        self._position += len(data)
        return data


def split_sub_blocks(data: bytes) -> list[bytes]:
    """Splits data sub-blocks (GIF89a, section 15) into what they hold."""
    blocks = []
    at = 0
    while at < len(data):
        length = data[at]
        blocks.append(data[at + 1 : at + 1 + length])
        at += 1 + length
    return blocks


def _uint16(data: bytes, at: int) -> int:
    return data[at] | data[at + 1] << 8


def _decode_text(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")
