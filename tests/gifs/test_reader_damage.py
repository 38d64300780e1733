"""Broken, hostile and missing files: what decodes is kept, the rest is one line of `InputError`."""

import errno
import io
import os
import pathlib
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gif2video_jax.errors import InputError
from gif2video_jax.gifs.reader import open_gif, read_gif, scan_gif
from tests import gif_builder as builder
from tests.gif_builder import COLORS

RANDOM = np.random.default_rng(0)
IMAGES = [
    builder.Image(RANDOM.integers(0, 4, (9, 8)), disposal=1),
    builder.Image(RANDOM.integers(0, 4, (4, 4)), left=2, top=3, palette=COLORS, disposal=3),
    builder.Image(RANDOM.integers(0, 4, (9, 8)), interlaced=True, transparent=2, disposal=2),
    builder.Image(RANDOM.integers(0, 4, (3, 3)), left=5, top=6),
]
WHOLE = builder.build(IMAGES, before=[builder.loop(0), builder.comment(b"a comment")])
FRAMES = read_gif(WHOLE).frames


def opacity(frame):
    return np.ones(frame.rgb.shape[:2], bool) if frame.alpha is None else frame.alpha


@pytest.mark.parametrize("length", range(len(WHOLE)))
def test_cut_after_any_byte_keeps_what_decodes(length):
    data = WHOLE[:length]
    try:
        gif = read_gif(data)
    except InputError as error:
        assert "\n" not in str(error)
        with pytest.raises(InputError):
            scan_gif(data)
        assert length < 90, "at least the first image's beginning is there"
        return
    assert gif.problems, "the damage is reported"
    assert scan_gif(data).delays_ms == [frame.delay_ms for frame in gif.frames]
    complete, last = gif.frames[:-1], gif.frames[-1]
    for frame, expected in zip(complete, FRAMES[: len(complete)], strict=True):
        np.testing.assert_array_equal(frame.rgb, expected.rgb)
        np.testing.assert_array_equal(opacity(frame), opacity(expected))
    # The last one may be half drawn: each pixel is the new one or the one that was there.
    expected = FRAMES[len(complete)]
    drawn = (last.rgb == expected.rgb).all(2) & (opacity(last) == opacity(expected))
    under = np.zeros_like(expected.rgb)
    if complete:
        previous = read_gif(builder.build(
            [*IMAGES[: len(complete)], builder.Image([[0]], transparent=0)]
        )).frames[-1]
        under = previous.rgb
    assert (drawn | (last.rgb == under).all(2)).all()


def test_a_cut_image_says_how_much_of_it_was_kept():
    data = builder.build([builder.Image(RANDOM.integers(0, 4, (40, 40)))])
    gif = read_gif(data[: len(data) // 2])
    kept = int(opacity(gif.frames[0]).sum())
    assert 0 < kept < 1600
    assert gif.problems == [
        f"frame 0 is damaged: {kept} of 1600 pixels could be decoded",
        f"the file ends within an image, after {len(data) // 2} bytes",
    ]


def test_a_damaged_image_in_the_middle_keeps_its_place_in_time():
    bad = builder.Image([[1] * 8] * 9, data=b"\x02\xff\xff\0", delay=33)
    gif = read_gif(builder.build([IMAGES[0], bad, IMAGES[3]]))
    assert [frame.delay_ms for frame in gif.frames] == [100, 330, 100]
    np.testing.assert_array_equal(gif.frames[1].rgb, gif.frames[0].rgb)
    assert gif.problems == ["frame 1 is damaged: 0 of 72 pixels could be decoded"]


def test_garbage_between_blocks_ends_the_gif():
    data = builder.build(IMAGES[:2], trailer=b"\x99" + WHOLE)
    gif = read_gif(data)
    assert len(gif.frames) == 2
    assert "0x99, expected an image, an extension or the trailer" in gif.problems[0]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "the file is empty"),
        (b"GIF89", "not a GIF file: it starts with b'GIF89'"),
        (b"GIF88a" + bytes(50), "expected b'GIF87a' or b'GIF89a'"),
        (b"\x89PNG\r\n\x1a\n" + bytes(50), "not a GIF file"),
        (b"GIF89a\x01\0", "cut short after 8 bytes"),
        (b"GIF89a\x01\0\x01\0\x80\0\0abc", "cut short after 16 bytes"),
        (b"".join(builder.header(1, 1)) + b";", "it holds no image"),
        (b"".join(builder.header(1, 1)), "the file ends without a trailer"),
        (builder.build([builder.Image([[1]], data=b"\0")]), "0 of 1 pixels"),
        (builder.build([builder.Image([[1]], code_size=12, data=b"\x01\0\0")]), "0 of 1 pixels"),
    ],
)
def test_a_file_without_a_frame_is_refused_in_one_line(data, message):
    with pytest.raises(InputError) as caught:
        read_gif(data)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_paths_that_cannot_be_read(tmp_path):
    with pytest.raises(InputError, match="nothing.gif: no such file"):
        open_gif(tmp_path / "nothing.gif")
    with pytest.raises(InputError, match="is a folder, expected a GIF"):
        open_gif(tmp_path)
    with pytest.raises(InputError, match="cannot be read: .*null"):
        open_gif("a\0b")
    with pytest.raises(InputError, match="no such file"):
        scan_gif(tmp_path / "nothing.gif")


def test_a_file_without_permission(tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(pathlib.Path, "open", refuse)  # whoever runs this may be root
    with pytest.raises(InputError, match="secret.gif: cannot be read: Permission denied"):
        open_gif(tmp_path / "secret.gif")


def test_messages_name_the_file(tmp_path):
    path = tmp_path / "party.gif"
    path.write_bytes(b"hello world")
    with pytest.raises(InputError, match=f"^{path}: not a GIF file"):
        read_gif(path)


@pytest.mark.parametrize("read", [read_gif, scan_gif])
@pytest.mark.parametrize("what", ["screen", "first image", "later image"])
def test_huge_claims_are_refused_before_memory_is_taken(read, what):
    huge = (65535, 65535)
    images = [builder.Image([[1]]), builder.Image([[2]])]
    if what == "screen":
        data = builder.build(images, *huge)
    else:
        images[what == "later image"].size = huge
        data = builder.build(images, 1, 1)
    tracemalloc.start()
    with pytest.raises(InputError, match="65535x65535 = 4294836225 pixels.*--max-pixels"):
        read(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000


def test_the_limit_of_pixels_is_a_parameter():
    data = builder.build([builder.Image([[1, 2, 3]])])
    assert read_gif(data, max_pixels=3).width == 3
    with pytest.raises(InputError, match="claims 3x1 = 3 pixels, at most 2"):
        read_gif(data, max_pixels=2)


@settings(max_examples=200)
@given(st.data())
def test_changed_bytes_never_do_worse_than_an_input_error(data):
    broken = bytearray(WHOLE)
    for _ in range(data.draw(st.integers(1, 8))):
        broken[data.draw(st.integers(6, len(broken) - 1))] = data.draw(st.integers(0, 255))
    broken = bytes(broken[: data.draw(st.integers(1, len(broken)))])
    try:
        gif = read_gif(broken, max_pixels=100_000)
    except InputError as error:
        assert "\n" not in str(error)
        return
    assert len(scan_gif(broken, max_pixels=100_000).frames) == len(gif.frames)
    for frame in gif.frames:
        assert frame.rgb.shape == (gif.height, gif.width, 3)


def test_reads_from_a_pipe_that_gives_a_few_bytes_at_a_time():
    class Trickle:
        def __init__(self, data):
            self.file = io.BytesIO(data)

        def read(self, size=-1, /):
            return self.file.read(min(size, 3))

    assert len(read_gif(Trickle(WHOLE)).frames) == 4


def test_reads_standard_input():
    program = (
        "from gif2video_jax.gifs.reader import open_gif\n"
        "with open_gif('-') as gif: print(gif.name, sum(1 for _ in gif))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], input=WHOLE, capture_output=True, check=True
    )
    assert done.stdout.decode().strip() == "standard input 4"


def test_the_reader_closes_what_it_opened_and_nothing_else(tmp_path):
    path = tmp_path / "a.gif"
    path.write_bytes(WHOLE)
    with open_gif(path) as reader:
        next(reader)
    with path.open("rb") as file:
        read_gif(file)
        assert not file.closed
