"""Reads files out of Qt's binary resources (.rcc), in which KDE's programs pack their pictures.

After Qt's own description of what its compiler writes (`qtbase/src/tools/rcc/rcc.cpp` and
`qtbase/src/corelib/io/qresource.cpp`); all numbers are big-endian:

  header   "qres", format version (1 to 3), offsets of the tree, of the data and of the names
  node     offset of its name, flags, then of a folder: number of children, number of the first;
           of a file: country, language, offset of its data; from version 2 on a time of 8 bytes
  name     length in characters, hash, characters in UTF-16
  data     length, bytes; of a compressed file the length that it has when unpacked comes first
"""

import struct
import zlib
from collections.abc import Iterator

_MAGIC = b"qres"
_VERSIONS = (1, 2, 3)
_COMPRESSED, _FOLDER, _ZSTANDARD = 1, 2, 4
_MAX_DEPTH = 32
_MAX_BYTES = 1 << 28  # of one unpacked file


def read_resource(content: bytes, path: str) -> bytes:
    """One file of a resource.

    Args:
      content: of the .rcc file.
      path: inside, with "/" between its parts and none in front.

    Raises:
      KeyError: the resource holds no such file.
      ValueError: it is damaged, or packs the file in a way that is not read here.
    """
    try:
        for found, offset, flags in _files(content):
            if found == path:
                return _data(content, offset, flags)
    except (struct.error, IndexError, UnicodeDecodeError, zlib.error) as error:
        raise ValueError(f"damaged resource: {error}") from None
    raise KeyError(path)


def resource_paths(content: bytes) -> list[str]:
    """The paths of all files of a resource, in its order.

    Raises:
      ValueError: it is damaged.
    """
    try:
        return [path for path, _, _ in _files(content)]
    except (struct.error, IndexError, UnicodeDecodeError) as error:
        raise ValueError(f"damaged resource: {error}") from None


def _files(content: bytes) -> Iterator[tuple[str, int, int]]:
    """Path, offset in the data and flags of each file."""
    magic, version, tree, _, names = struct.unpack_from(">4s4I", content)
    if magic != _MAGIC or version not in _VERSIONS:
        raise ValueError(f"not a Qt resource of version 1 to 3: begins with {content[:8]!r}")
    size = 14 if version == 1 else 22
    # A damaged tree can hold itself: no more nodes are visited than fit into the file.
    remaining = (len(content) - tree) // size

    def walk(number: int, parent: str, depth: int) -> Iterator[tuple[str, int, int]]:
        nonlocal remaining
        remaining -= 1
        if remaining < 0 or depth > _MAX_DEPTH:
            raise ValueError("damaged resource: folders hold themselves")
        node = tree + number * size
        name, flags = struct.unpack_from(">IH", content, node)
        path = parent + _name(content, names + name) if depth else ""
        if flags & _FOLDER:
            count, first = struct.unpack_from(">II", content, node + 6)
            for child in range(first, first + count):
                yield from walk(child, f"{path}/" if path else "", depth + 1)
        else:
            (offset,) = struct.unpack_from(">I", content, node + 10)
            yield path, offset, flags

    yield from walk(0, "", 0)


def _name(content: bytes, start: int) -> str:
    (length,) = struct.unpack_from(">H", content, start)
    characters = content[start + 6 : start + 6 + 2 * length]
    if len(characters) < 2 * length:
        raise ValueError("damaged resource: a name ends early")
    return characters.decode("utf-16-be")


def _data(content: bytes, offset: int, flags: int) -> bytes:
    if flags & _ZSTANDARD:
        raise ValueError("packed with Zstandard, expected zlib or nothing")
    start = struct.unpack_from(">I", content, 12)[0] + offset
    (length,) = struct.unpack_from(">I", content, start)
    data = content[start + 4 : start + 4 + length]
    if len(data) < length:
        raise ValueError("damaged resource: a file ends early")
    if not flags & _COMPRESSED:
        return data
    (unpacked,) = struct.unpack_from(">I", data)
    if unpacked > _MAX_BYTES:
        raise ValueError(f"damaged resource: {unpacked} bytes, expected at most {_MAX_BYTES}")
    result = zlib.decompressobj().decompress(data[4:], _MAX_BYTES)
    if len(result) != unpacked:
        raise ValueError("damaged resource: a file of another length than it says")
    return result
