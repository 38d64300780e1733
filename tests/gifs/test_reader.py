"""Frames as browsers show them, held against a plain compositor, ffmpeg, Pillow and gifsicle."""

import io
import re
import subprocess
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageSequence

from gif2video_jax.gifs.reader import open_gif, read_gif, scan_gif
from tests import gif_builder as builder
from tests import oracles
from tests.gif_builder import COLORS, GREYS


def rgba(frame):
    alpha = np.ones(frame.rgb.shape[:2], bool) if frame.alpha is None else frame.alpha
    return np.dstack([frame.rgb, np.where(alpha, 255, 0)]).astype(np.uint8)


def composite(images, width, height, palette=GREYS):
    """The browsers' rules pixel by pixel, written from the standard; slow and plain."""
    screen = np.zeros((height, width, 4), np.uint8)
    frames = []
    for image in images:
        before = screen.copy()
        colors = image.palette if image.palette is not None else palette
        indices = np.asarray(image.indices)
        covered = []
        for y in range(indices.shape[0]):
            for x in range(indices.shape[1]):
                row, column = image.top + y, image.left + x
                if row >= height or column >= width:
                    continue
                covered.append((row, column))
                index = int(indices[y, x])
                if index != image.transparent:
                    screen[row, column] = (*colors[index], 255)
        frames.append(screen.copy())
        if image.disposal == 2:
            for place in covered:
                screen[place] = 0
        elif image.disposal == 3:
            screen = before
    return frames


def ffmpeg_frames(data, width, height):
    program = oracles.require_program("ffmpeg")
    done = subprocess.run(
        [program, "-v", "error", "-f", "gif", "-i", "-", "-vsync", "passthrough"]
        + ["-f", "rawvideo", "-pix_fmt", "rgba", "-"],
        input=data, capture_output=True, check=True,
    )
    return list(np.frombuffer(done.stdout, np.uint8).reshape(-1, height, width, 4))


def pillow_frames(data):
    with Image.open(io.BytesIO(data)) as image:
        return [np.array(frame.convert("RGBA")) for frame in ImageSequence.Iterator(image)]


def assert_same_pictures(ours, theirs):
    assert len(ours) == len(theirs)
    for index, (our, their) in enumerate(zip(ours, theirs, strict=True)):
        np.testing.assert_array_equal(our[..., 3], their[..., 3], f"alpha of frame {index}")
        seen = our[..., 3] > 0
        np.testing.assert_array_equal(our[seen], their[seen], f"frame {index}")


@st.composite
def gifs(draw, disposals=(0, 1, 2, 3), for_ffmpeg=False):
    """A few images of random place, palette, transparency, disposal, interlace and overhang.

    What ffmpeg does not show as browsers do can be left out: of images that reach beyond the screen
    it drops some and decodes others with a wrong width; what the first image draws it never takes
    back.
    """
    width, height = draw(st.integers(1, 9)), draw(st.integers(1, 9))
    random = np.random.default_rng(draw(st.integers(0, 10**6)))
    images = []
    for number in range(draw(st.integers(1, 5))):
        left, top = (0, 0) if number == 0 else random.integers(0, (width + 2, height + 2))
        box = (width, height) if number == 0 else random.integers(1, 10, 2)
        allowed = disposals
        if for_ffmpeg:
            allowed = disposals if number else [one for one in disposals if one < 2]
            left, top = min(left, width - 1), min(top, height - 1)
            box = (min(box[0], width - left), min(box[1], height - top))
        images.append(
            builder.Image(
                random.integers(0, 4, (box[1], box[0])),
                left=int(left),
                top=int(top),
                palette=None if random.random() < 0.5 else random.integers(0, 256, (4, 3)).tolist(),
                disposal=draw(st.sampled_from(allowed)),
                transparent=draw(st.sampled_from([None, 0, 3])),
                interlaced=draw(st.booleans()),
            )
        )
    return images, width, height


@given(gifs())
def test_frames_follow_the_browsers_rules(case):
    images, width, height = case
    gif = read_gif(builder.build(images, width, height))
    assert (gif.width, gif.height, gif.problems) == (width, height, [])
    assert_same_pictures([rgba(f) for f in gif.frames], composite(images, width, height))


@settings(max_examples=15)
@given(gifs(disposals=(0, 1, 3), for_ffmpeg=True))
def test_frames_equal_ffmpegs(case):
    images, width, height = case
    data = builder.build(images, width, height)
    ours = [rgba(frame) for frame in read_gif(data).frames]
    assert_same_pictures(ours, ffmpeg_frames(data, width, height))


@pytest.mark.parametrize("disposal", [0, 1, 2, 3])
@pytest.mark.parametrize("oracle", ["ffmpeg", "pillow"])
def test_disposal_of_partial_transparent_frames_equals_the_oracles(disposal, oracle):
    # All images have a transparent index: without one the oracles, unlike browsers, dispose
    # to the background colour.
    random = np.random.default_rng(disposal)
    images = [builder.Image(random.integers(0, 4, (20, 30)), transparent=3, disposal=1)]
    for number in range(5):
        images.append(
            builder.Image(
                random.integers(0, 4, (8, 9)), left=4 * number, top=2 * number,
                disposal=disposal, transparent=3, palette=COLORS if number % 2 else None,
            )
        )
    data = builder.build(images)
    theirs = ffmpeg_frames(data, 30, 20) if oracle == "ffmpeg" else pillow_frames(data)
    assert_same_pictures([rgba(frame) for frame in read_gif(data).frames], theirs)


@pytest.mark.parametrize("background", [0, 2])
def test_disposal_to_background_is_transparent_whatever_the_background_colour(background):
    images = [builder.Image([[1, 1, 1]], disposal=2), builder.Image([[2]], left=1)]
    gif = read_gif(builder.build(images, background=background))
    assert gif.background == GREYS[background]
    np.testing.assert_array_equal(gif.frames[1].alpha, [[False, True, False]])


def test_fourth_disposal_means_the_third():
    images = [
        builder.Image([[1, 1]]), builder.Image([[2]], disposal=4), builder.Image([[3]], left=1),
    ]
    frames = read_gif(builder.build(images)).frames
    assert frames[1].disposal == 4
    assert frames[2].indices.tolist() == [[1, 3]]


@given(gifs())
def test_indices_and_palettes_give_the_colors(case):
    images, width, height = case
    for frame in read_gif(builder.build(images, width, height)).frames:
        tables = np.stack([palette.colors for palette in frame.palettes])
        counts = np.array([palette.num_colors for palette in frame.palettes])
        drawn = np.ones((height, width), bool) if frame.alpha is None else frame.alpha
        colors = tables[frame.palette_ids, frame.indices]
        np.testing.assert_array_equal(colors[drawn], frame.rgb[drawn])
        assert (frame.indices < counts[frame.palette_ids])[drawn].all()
        assert not frame.rgb[~drawn].any() and not frame.palette_ids[~drawn].any()
        used = np.unique(frame.palette_ids[drawn])
        assert not drawn.any() or used.tolist() == list(range(len(frame.palettes)))


def test_more_than_256_colors_over_a_composite():
    random = np.random.default_rng(0)
    palettes = random.integers(0, 256, (3, 256, 3)).tolist()
    images = [
        builder.Image(np.arange(256).reshape(16, 16), left=16 * n, palette=palettes[n])
        for n in range(3)
    ]
    frame = read_gif(builder.build(images, 48, 16)).frames[-1]
    assert len(np.unique(frame.rgb.reshape(-1, 3), axis=0)) > 700
    assert len(frame.palettes) == 3
    np.testing.assert_array_equal(frame.rgb[:, 16:32].reshape(-1, 3), palettes[1])


def test_equal_local_palettes_count_as_one_and_covered_ones_go():
    images = [
        builder.Image([[1, 1]], palette=COLORS),
        builder.Image([[2]], palette=list(COLORS)),
        builder.Image([[3, 3]], palette=GREYS),
    ]
    frames = read_gif(builder.build(images, palette=None)).frames
    assert [len(frame.palettes) for frame in frames] == [1, 1, 1]
    assert frames[1].palettes[0].colors[:4].tolist() == [list(color) for color in COLORS]
    assert frames[2].palettes[0].colors[:4].tolist() == [list(color) for color in GREYS]


def test_without_any_palette_indices_are_shown_as_grey_like_pillow():
    images = [builder.Image([[0, 1], [2, 3]]), builder.Image([[3]])]
    data = builder.build(images, palette=None)
    gif = read_gif(data)
    assert_same_pictures([rgba(frame) for frame in gif.frames], pillow_frames(data))
    assert gif.frames[0].rgb[..., 0].tolist() == [[0, 1], [2, 3]]
    assert gif.problems == [f"frame {n} has no palette: shown in grey" for n in range(2)]


def test_indices_beyond_the_palette_are_black():
    frame = read_gif(builder.build([builder.Image([[1, 3]])], palette=COLORS[:2])).frames[0]
    assert frame.rgb.tolist() == [[list(COLORS[1]), [0, 0, 0]]]
    assert frame.palettes[0].num_colors == 4


@pytest.mark.parametrize("oracle", ["ffmpeg", "pillow"])
@pytest.mark.parametrize("height", [1, 2, 5, 8, 9, 31])
def test_interlaced_equals_the_oracles(height, oracle):
    indices = np.random.default_rng(height).integers(0, 4, (height, 7))
    data = builder.build([builder.Image(indices, interlaced=True)])
    frame = read_gif(data).frames[0]
    assert frame.interlaced
    np.testing.assert_array_equal(frame.indices, indices)
    theirs = ffmpeg_frames(data, 7, height) if oracle == "ffmpeg" else pillow_frames(data)
    assert_same_pictures([rgba(frame)], theirs)


def test_a_screen_of_no_size_takes_the_first_images():
    gif = read_gif(builder.build([builder.Image([[1, 2, 3]])], 0, 0))
    assert (gif.width, gif.height) == (3, 1)


def test_the_first_image_may_enlarge_the_screen_and_no_other():
    images = [builder.Image([[1, 2]], left=3), builder.Image([[3] * 9], top=0)]
    gif = read_gif(builder.build(images, 2, 1))
    assert (gif.width, gif.height) == (5, 1)
    assert gif.frames[1].box == (0, 0, 5, 1)
    assert gif.frames[1].indices.tolist() == [[3] * 5]


def test_an_image_outside_of_the_screen_changes_nothing():
    images = [builder.Image([[1, 2]]), builder.Image([[3]], left=7, top=9, disposal=2)]
    frames = read_gif(builder.build([*images, builder.Image([[0]])])).frames
    assert [frame.indices.tolist() for frame in frames] == [[[1, 2]], [[1, 2]], [[0, 2]]]
    assert frames[1].box == (2, 1, 0, 0)


def test_an_image_that_claims_no_size_takes_the_screens():
    image = builder.Image([[1, 2]], size=(0, 0))
    assert read_gif(builder.build([image], 2, 1)).frames[0].indices.tolist() == [[1, 2]]


def test_delays_are_told_as_the_file_has_them():
    delays = [0, 1, 2, 60000, None]
    data = builder.build([builder.Image([[1]], delay=delay) for delay in delays])
    expected = [0, 10, 20, 600_000, 0]
    assert [frame.delay_ms for frame in read_gif(data).frames] == expected
    assert scan_gif(data).delays_ms == expected


@pytest.mark.parametrize("name", [b"NETSCAPE2.0", b"ANIMEXTS1.0"])
@pytest.mark.parametrize("count", [0, 1, 65535])
def test_loop_count(name, count):
    data = builder.build([builder.Image([[1]])], before=[builder.loop(count, name)])
    assert read_gif(data).loop_count == count == scan_gif(data).loop_count


def test_without_a_loop_extension_there_is_no_count():
    assert read_gif(builder.build([builder.Image([[1]])])).loop_count is None


def test_comments_and_unknown_extensions():
    before = [
        builder.comment(b"caf\xc3\xa9 " + b"x" * 300), builder.comment(b"caf\xe9"),
        b"!\xff\x0bSOMETHING99" + builder.sub_blocks(b"\x01\0\0"),  # another application
        b"!\xff" + builder.sub_blocks(b"XMP"),  # an application without a whole name
        b"!\x01" + builder.sub_blocks(bytes(12)) , b"!\x42" + builder.sub_blocks(b"what?" * 99),
        b"!\xf9\x01\x01\0",  # a graphic control that is too short
        b"\0\0",  # stray terminators
    ]
    gif = read_gif(builder.build([builder.Image([[1]])], before=before))
    assert gif.comments == ["café " + "x" * 300, "café"]
    assert (gif.loop_count, gif.problems, len(gif.frames)) == (None, [], 1)


def test_bytes_after_the_trailer_are_ignored():
    data = builder.build([builder.Image([[1]])]) + builder.build([builder.Image([[2]])]) + b"\xff"
    gif = read_gif(data)
    assert len(gif.frames) == 1 and not gif.problems


@pytest.mark.parametrize("size", [(1, 1), (4096, 3), (2, 4096)])
@pytest.mark.parametrize("count", [1, 2])
def test_sizes_and_counts(size, count):
    random = np.random.default_rng(1)
    pictures = random.integers(0, 4, (count, size[1], size[0]))
    gif = read_gif(builder.build([builder.Image(picture) for picture in pictures]))
    assert (gif.width, gif.height) == size
    np.testing.assert_array_equal([frame.indices for frame in gif.frames], pictures)


def test_a_thousand_frames_stream_in_constant_memory():
    side = 64
    still = builder.Image(np.arange(side * side).reshape(side, side) % 4)
    boxes = [builder.Image([[n % 4]], left=n % side, palette=COLORS) for n in range(999)]
    data = builder.build([still, *boxes])
    tracemalloc.start()
    with open_gif(data) as reader:
        count = sum(1 for _ in reader)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 1000
    assert peak < 200_000  # all frames together would take 28 MB


def test_frames_share_what_did_not_change_and_cannot_be_written():
    frames = read_gif(builder.build([builder.Image([[1, 2]], transparent=0)] * 2 + [
        builder.Image([[0, 0]], transparent=0)])).frames
    assert frames[2].rgb is frames[1].rgb
    with pytest.raises(ValueError, match="read-only"):
        frames[0].rgb[0, 0] = 1


@given(gifs())
def test_scan_tells_the_same_as_the_reader(case):
    images, width, height = case
    data = builder.build(images, width, height, before=[builder.loop(3), builder.comment(b"hi")])
    info, gif = scan_gif(data), read_gif(data)
    assert (info.width, info.height, info.loop_count) == (gif.width, gif.height, gif.loop_count)
    assert (info.background, list(info.comments)) == (gif.background, gif.comments)
    for told, frame in zip(info.frames, gif.frames, strict=True):
        for field in ("delay_ms", "disposal", "interlaced", "box", "local_palette"):
            assert getattr(told, field) == getattr(frame, field)
        assert told.transparent_index == frame.transparent_index
        assert told.num_colors == 4


def test_scan_leaves_an_open_file_where_it_was():
    file = io.BytesIO(b"before" + builder.build([builder.Image([[1]])]))
    file.seek(6)
    assert len(scan_gif(file).frames) == 1
    assert file.tell() == 6
    assert len(read_gif(file).frames) == 1


def test_structure_equals_gifsicles_info(tmp_path):
    program = oracles.require_program("gifsicle")
    images = [
        builder.Image([[1, 2]] * 2, delay=0, disposal=1),
        builder.Image([[1]], left=1, delay=1, disposal=2, palette=COLORS, transparent=2),
        builder.Image([[1, 2]], top=1, delay=2, disposal=3, interlaced=True),
        builder.Image([[1]], delay=60000, palette=COLORS * 4),
    ]
    path = tmp_path / "odd.gif"
    path.write_bytes(builder.build(images, before=[builder.loop(7)]))
    done = subprocess.run([program, "--info", path], capture_output=True, text=True, check=True)
    info = scan_gif(path)
    assert f"logical screen {info.width}x{info.height}" in done.stdout
    assert f"loop count {info.loop_count}" in done.stdout
    blocks = re.split(r"\+ image #", done.stdout)[1:]
    names = {0: "", 1: "disposal asis", 2: "disposal background", 3: "disposal previous"}
    for frame, block in zip(info.frames, blocks, strict=True):
        left, top, width, height = frame.box
        assert f"{width}x{height}" in block
        assert (f"at {left},{top}" in block) == ((left, top) != (0, 0))
        assert f"delay {frame.delay_ms / 1000:.2f}s" in block or frame.delay_ms == 0
        assert ("delay" in block) == (frame.delay_ms > 0)
        assert names[frame.disposal] in block
        assert ("disposal" in block) == (frame.disposal > 0)
        assert ("interlaced" in block) == frame.interlaced
        assert (f"transparent {frame.transparent_index}" in block) or (
            frame.transparent_index is None and "transparent" not in block
        )
        table = re.search(r"local color table \[(\d+)\]", block)
        assert (int(table[1]) if table else None) == (
            frame.num_colors if frame.local_palette else None
        )
