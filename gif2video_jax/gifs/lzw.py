"""From an image's compressed data to palette indices (GIF89a, section 22 and appendix F).

Whole images are decoded by Pillow. For broken ones Pillow does not say how much it decoded, so a
plain decoder in Python takes over, which keeps every pixel up to the damage; its cost follows the
length of the data, not the size that the image claims.
"""

import io

import numpy as np
from jaxtyping import Bool, UInt8
from PIL import GifImagePlugin, ImageFile

MAX_BITS = 12
MAX_CODE_SIZE = 11  # 8 is the largest that makes sense, but some writers give more
Indices = UInt8[np.ndarray, "h w"]
Drawn = Bool[np.ndarray, "h w"]


def decode_indices(
    data: bytes, code_size: int, width: int, height: int, interlaced: bool
) -> tuple[Indices, Drawn | None]:
    """Decodes the sub-blocks of one image.

    Args:
      data: the data sub-blocks, each with its length byte, without the terminator.
      code_size: the LZW minimum code size.
      width: at least 1.
      height: at least 1.
      interlaced: whether rows come in the four passes of appendix E.

    Returns:
      The indices, and which pixels the data holds: None where it holds them all.
    """
    indices = _decode_with_pillow(data, code_size, width, height, interlaced)
    if indices is not None:
        return indices, None
    pixels = decode_codes(_join(data), code_size, width * height)
    flat = np.zeros(width * height, np.uint8)
    flat[: len(pixels)] = np.frombuffer(pixels, np.uint8)
    drawn = np.arange(width * height) < len(pixels)
    rows = row_order(height) if interlaced else np.arange(height)
    indices = np.empty((height, width), np.uint8)
    indices[rows] = flat.reshape(height, width)
    if len(pixels) == width * height:
        return indices, None
    mask = np.empty((height, width), bool)
    mask[rows] = drawn.reshape(height, width)
    return indices, mask


def holds_pixels(data: bytes, code_size: int) -> bool:
    """Whether at least one pixel can be decoded."""
    return len(decode_codes(_join(data), code_size, 1)) > 0


def row_order(height: int) -> np.ndarray:
    """The rows of an interlaced image in the order that they are stored (appendix E)."""
    rows = np.arange(height)
    return np.concatenate([rows[0::8], rows[4::8], rows[2::4], rows[1::2]])


def decode_codes(data: bytes, code_size: int, num_pixels: int) -> bytes:
    """Decodes LZW codes until the end code, the end of the data, damage, or `num_pixels`.

    Args:
      data: the codes, sub-blocks already joined.
      code_size: the minimum code size; outside of 1 to 11 nothing can be decoded.
      num_pixels: what is decoded beyond it is dropped.

    Returns:
      The indices decoded, at most `num_pixels`.
    """
    if not 1 <= code_size <= MAX_CODE_SIZE:
        return b""
    clear, end = 1 << code_size, (1 << code_size) + 1
    roots = [bytes([index & 0xFF]) for index in range(clear)] + [b"", b""]
    table = list(roots)
    previous = b""
    bits, buffer, available = code_size + 1, 0, 0
    out: list[bytes] = []
    length = 0
    for byte in data:
        buffer |= byte << available
        available += 8
        while available >= bits:
            code = buffer & (1 << bits) - 1
            buffer >>= bits
            available -= bits
            if code == clear:
                table, previous, bits = list(roots), b"", code_size + 1
                continue
            if code == end:
                return b"".join(out)[:num_pixels]
            if code < len(table):
                entry = table[code]
            elif code == len(table) and previous and len(table) < 1 << MAX_BITS:
                entry = previous + previous[:1]
            else:
                return b"".join(out)[:num_pixels]
            if previous and len(table) < 1 << MAX_BITS:
                table.append(previous + entry[:1])
                if len(table) == 1 << bits and bits < MAX_BITS:
                    bits += 1
            previous = entry
            out.append(entry)
            length += len(entry)
            if length >= num_pixels:
                return b"".join(out)[:num_pixels]
    return b"".join(out)


def _decode_with_pillow(
    data: bytes, code_size: int, width: int, height: int, interlaced: bool
) -> Indices | None:
    """Wraps the data as a GIF of its own, without a palette; None if it is not whole."""
    if not data or not 1 <= code_size <= MAX_CODE_SIZE or ImageFile.LOAD_TRUNCATED_IMAGES:
        return None
    size = width.to_bytes(2, "little") + height.to_bytes(2, "little")
    header = b"GIF89a" + size + b"\0\0\0" + b",\0\0\0\0" + size
    header += bytes([0x40 if interlaced else 0, code_size])
    try:
        with GifImagePlugin.GifImageFile(io.BytesIO(header + data + b"\0;")) as image:
            image.load()
            return np.array(image)
    except (OSError, ValueError, SyntaxError, EOFError):
        return None


def _join(data: bytes) -> bytes:
    parts = []
    at = 0
    while at < len(data):
        parts.append(data[at + 1 : at + 1 + data[at]])
        at += 1 + data[at]
    return b"".join(parts)
