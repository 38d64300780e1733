"""Qt's binary resources. Oracle: files that Qt's own compiler, rcc 5.15, made of three texts.

rcc -binary --format-version 1 --compress 9 --threshold 30 texts.qrc      # and version 3
"""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gif2video_jax.datasets.qt_resources import read_resource, resource_paths

VERSION_1 = base64.b64decode(
    b"cXJlcwAAAAEAAACnAAAAFAAAAE8AAAAMYSBzaG9ydCB0ZXh0AAAAHgAAAjB42ssvSy1SSMxLUcgHMfJHeaM8vDwA"
    b"V+PJuQAAAAV0aGlyZAAID6vGAwBwAGkAYwB0AHUAcgBlAHMABQBkW/QAYQAuAHQAeAB0AAYG1irCAGYAbwBsAGQA"
    b"ZQByAAUA+Vv0APYALgB0AHgAdAAFAGZI/gBjAC4AYgBpAG4AAAAAAAIAAAABAAAAAQAAAAAAAgAAAAIAAAACAAAA"
    b"FgAAAAAAAQAAAAAAAAAmAAIAAAACAAAABAAAAEgAAAAAAAEAAAAyAAAAOAABAAAAAQAAABA="
)
VERSION_3 = base64.b64decode(
    b"cXJlcwAAAAMAAACrAAAAGAAAAFMAAAABAAAADGEgc2hvcnQgdGV4dAAAAB4AAAIweNrLL0stUkjMS1HIBzHyR3mj"
    b"PLw8AFfjybkAAAAFdGhpcmQACA+rxgMAcABpAGMAdAB1AHIAZQBzAAUAZFv0AGEALgB0AHgAdAAGBtYqwgBmAG8A"
    b"bABkAGUAcgAFAPlb9AD2AC4AdAB4AHQABQBmSP4AYwAuAGIAaQBuAAAAAAACAAAAAQAAAAEAAAAAAAAAAAAAAAAA"
    b"AgAAAAIAAAACAAAAAAAAAAAAAAAWAAAAAAABAAAAAAAAAaIoYN5SAAAAJgACAAAAAgAAAAQAAAAAAAAAAAAAAEgA"
    b"AAAAAAEAAAAyAAABoihg3rIAAAA4AAEAAAABAAAAEAAAAaIoYN6q"
)
TEXTS = {
    "pictures/a.txt": b"a short text",
    "pictures/folder/c.bin": b"third",
    "pictures/folder/ö.txt": b"over and over " * 40,  # the only one that is compressed
}


@pytest.mark.parametrize("content", [VERSION_1, VERSION_3], ids=["version 1", "version 3"])
def test_what_qts_compiler_packed_is_read(content):
    assert resource_paths(content) == [*TEXTS]
    assert {path: read_resource(content, path) for path in TEXTS} == TEXTS
    for path in ("pictures", "a.txt", "pictures/b.txt", ""):
        with pytest.raises(KeyError):
            read_resource(content, path)


@pytest.mark.parametrize(
    "content", [b"", b"qres", b"GIF89a" + bytes(40), b"qres\0\0\0\x09" + bytes(40)]
)
def test_other_files_are_refused(content):
    with pytest.raises(ValueError, match="resource"):
        resource_paths(content)
    with pytest.raises(ValueError, match="resource"):
        read_resource(content, "a")


def test_a_folder_that_holds_itself_is_refused():
    # Node 0, at the offset of the tree, has the number of its only child at 10: made its own.
    tree = int.from_bytes(VERSION_1[8:12], "big")
    damaged = VERSION_1[: tree + 10] + bytes(4) + VERSION_1[tree + 14 :]
    with pytest.raises(ValueError, match="hold themselves"):
        resource_paths(damaged)


def test_zstandard_is_named():
    last = len(VERSION_1) - 14  # the node of c.bin or of its neighbour: flags are at 4
    damaged = VERSION_1[: last + 4] + b"\0\4" + VERSION_1[last + 6 :]
    with pytest.raises(ValueError, match="Zstandard"):
        read_resource(damaged, "pictures/folder/ö.txt")


@given(st.sampled_from([VERSION_1, VERSION_3]), st.data())
def test_damage_never_does_anything_else(content, data):
    end = data.draw(st.integers(0, len(content)))
    damaged = bytearray(content[:end])
    for _ in range(data.draw(st.integers(0, 4)) if end else 0):
        damaged[data.draw(st.integers(0, end - 1))] = data.draw(st.integers(0, 255))
    for path in TEXTS:
        try:
            read_resource(bytes(damaged), path)
        except (KeyError, ValueError):
            pass
    try:
        resource_paths(bytes(damaged))
    except ValueError:
        pass
