"""Builds GIF files byte by byte, odd ones too, from the standard (GIF89a) and nothing of ours."""

import dataclasses
from collections.abc import Sequence

import numpy as np

GREYS = [(0, 0, 0), (85, 85, 85), (170, 170, 170), (255, 255, 255)]
COLORS = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0)]


@dataclasses.dataclass
class Image:
    """One image with its graphic control extension; delay in hundredths of a second."""

    indices: Sequence
    left: int = 0
    top: int = 0
    palette: Sequence | None = None
    delay: int | None = 10
    disposal: int = 0
    transparent: int | None = None
    interlaced: bool = False
    code_size: int | None = None
    data: bytes | None = None  # instead of the encoded indices
    size: tuple[int, int] | None = None  # claimed width and height


def sub_blocks(data: bytes, length: int = 255) -> bytes:
    """Data in sub-blocks with the terminator (section 15)."""
    parts = [data[at : at + length] for at in range(0, len(data), length)]
    return b"".join(bytes([len(part)]) + part for part in parts) + b"\0"


def lzw_encode(indices: Sequence[int], code_size: int) -> bytes:
    """Variable-length LZW (appendix F), with a clear code whenever the table is full."""
    clear, end = 1 << code_size, (1 << code_size) + 1
    bits, out, value, filled = code_size + 1, bytearray(), 0, 0
    table: dict[tuple, int] = {}

    def emit(code: int) -> None:
        nonlocal value, filled
        value |= code << filled
        filled += bits
        while filled >= 8:
            out.append(value & 255)
            value >>= 8
            filled -= 8

    def reset() -> None:
        nonlocal table, bits
        table = {(index,): index for index in range(clear)}
        bits = code_size + 1

    emit(clear)
    reset()
    following = end + 1
    current: tuple = ()
    for index in indices:
        if (*current, index) in table:
            current = (*current, index)
            continue
        emit(table[current])
        table[(*current, index)] = following
        if following == 1 << bits and bits < 12:
            bits += 1
        following += 1
        if following == 4096:
            emit(clear)
            reset()
            following = end + 1
        current = (index,)
    if current:
        emit(table[current])
        if following == 1 << bits and bits < 12:
            bits += 1
    emit(end)
    if filled:
        out.append(value & 255)
    return bytes(out)


def color_table(colors: Sequence) -> tuple[int, bytes]:
    """The size bits and the bytes of a colour table, padded with black to a power of two."""
    bits = 0
    while 2 << bits < len(colors):
        bits += 1
    data = b"".join(bytes(color) for color in colors)
    return bits, data.ljust(3 * (2 << bits), b"\0")


def header(
    width: int, height: int, palette: Sequence | None = GREYS, background: int = 0,
    version: bytes = b"GIF89a",
) -> list[bytes]:
    """Signature with screen descriptor, then the global palette if there is one."""
    size = width.to_bytes(2, "little") + height.to_bytes(2, "little")
    if palette is None:
        return [version + size + bytes([0, background, 0])]
    bits, table = color_table(palette)
    return [version + size + bytes([0x80 | bits, background, 0]), table]


def loop(count: int, name: bytes = b"NETSCAPE2.0") -> bytes:
    """The application extension that browsers loop by."""
    return b"!\xff\x0b" + name + b"\x03\x01" + count.to_bytes(2, "little") + b"\0"


def comment(text: bytes) -> bytes:
    """A comment extension (section 24)."""
    return b"!\xfe" + sub_blocks(text)


def image_blocks(image: Image) -> list[bytes]:
    """Control extension, descriptor, palette, data: each on its own."""
    blocks = []
    if image.delay is not None:
        flags = image.disposal << 2 | (image.transparent is not None)
        blocks.append(
            b"!\xf9\x04" + bytes([flags]) + image.delay.to_bytes(2, "little")
            + bytes([image.transparent or 0]) + b"\0"
        )
    indices = np.asarray(image.indices, int)
    height, width = indices.shape
    if image.interlaced:
        order = [*range(0, height, 8), *range(4, height, 8), *range(2, height, 4)]
        indices = indices[order + [*range(1, height, 2)]]
    width, height = image.size or (width, height)
    descriptor = b"," + b"".join(
        value.to_bytes(2, "little") for value in (image.left, image.top, width, height)
    )
    flags, table = 0x40 * image.interlaced, b""
    if image.palette is not None:
        bits, table = color_table(image.palette)
        flags |= 0x80 | bits
    blocks.append(descriptor + bytes([flags]))
    if table:
        blocks.append(table)
    code_size = image.code_size or max(2, int(indices.max(initial=0)).bit_length())
    data = image.data
    if data is None:
        data = sub_blocks(lzw_encode(indices.ravel().tolist(), code_size))
    return [*blocks, bytes([code_size]), data]


def build(
    images: Sequence[Image], width: int | None = None, height: int | None = None, *,
    palette: Sequence | None = GREYS, background: int = 0, before: Sequence[bytes] = (),
    trailer: bytes = b";",
) -> bytes:
    """A whole file; `before` holds extensions to put before the first image."""
    first = np.asarray(images[0].indices)
    width = first.shape[1] if width is None else width
    height = first.shape[0] if height is None else height
    blocks = [*header(width, height, palette, background), *before]
    for image in images:
        blocks += image_blocks(image)
    return b"".join(blocks) + trailer
