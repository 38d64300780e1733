"""From file to file: what comes out, what is said, and what is left behind when it fails.

The oracles are the GIF's own frames, Pillow and PyAV reading the output, and arithmetic on delays.
"""

import io
import shutil
import types

import av
import jax
import numpy as np
import pytest
from PIL import Image as PillowImage

from gif2video_jax.errors import InputError
from gif2video_jax.gifs.maker import quantize, write_gif
from gif2video_jax.gifs.palette import Palette
from gif2video_jax.gifs.reader import read_gif
from gif2video_jax.pretrained import load_model, save_network
from gif2video_jax.restoring import plan as module
from gif2video_jax.restoring.dequantize import Dequantizer
from gif2video_jax.restoring.options import RestoreOptions
from gif2video_jax.restoring.restore import restore, restore_file
from tests import gif_builder

PLAIN = {"dequantize": "off", "interpolate": False}


@pytest.fixture(autouse=True)
def no_cache_of_the_user(monkeypatch):
    monkeypatch.setattr(module, "use_persistent_cache", lambda: None)


def moving(count=4, size=(24, 32), seed=0):
    """Frames of one picture that moves a little."""
    rng = np.random.default_rng(seed)
    height, width = size
    picture = rng.integers(0, 256, (height, width + 2 * count, 3)).astype(np.uint8)
    return [picture[:, 2 * i : 2 * i + width] for i in range(count)]


def gif_file(folder, frames=None, delays=None, loop_count=0, name="in.gif"):
    images = [quantize(frame, 16) for frame in (moving() if frames is None else frames)]
    path = folder / name
    write_gif(path, images, delays or [100] * len(images), loop_count=loop_count)
    return path


def decoded(path):
    with av.open(str(path)) as container:
        (stream,) = container.streams.video
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]
        return frames, stream.average_rate


def test_the_colours_stay_bit_exact_where_nothing_is_asked_for(tmp_path):
    source = gif_file(tmp_path)
    restore_file(source, f"{tmp_path}/out/", RestoreOptions(**PLAIN))
    files = sorted((tmp_path / "out").iterdir())
    frames = read_gif(source).frames
    assert len(files) == len(frames) == 4
    for file, frame in zip(files, frames, strict=True):
        with PillowImage.open(file) as picture:
            np.testing.assert_array_equal(np.asarray(picture), frame.rgb)


def test_an_identity_network_between_changes_nothing_either(tmp_path, tiny_model):
    source = gif_file(tmp_path)
    options = {"weights": tiny_model, "dequantize": "on", "multiplier": 2, "scene_threshold": 1}
    video = restore(source, **options, average=False)
    frames = read_gif(source).frames
    assert video.frames.shape == (8, 24, 32, 3) and video.fps == 20
    np.testing.assert_allclose(video.times, np.arange(8) / 20)
    for shown, frame in zip(video.frames[::2], frames, strict=True):
        np.testing.assert_array_equal(shown, frame.rgb)
    for i in range(4):  # the GIF loops
        mean = (frames[i].rgb.astype(float) + frames[(i + 1) % 4].rgb) / 2
        assert np.abs(video.frames[2 * i + 1] - mean).max() <= 1


def test_frames_are_averaged_with_their_neighbours_unless_told_otherwise(tmp_path, tiny_model):
    rng = np.random.default_rng(3)
    levels = 100 + rng.integers(0, 8, (4, 24, 32, 1)).repeat(3, axis=-1)
    colors = np.arange(256, dtype=np.uint8)[:, None].repeat(3, axis=1)
    images = [(frame[..., 0].astype(np.uint8), Palette.from_colors(colors)) for frame in levels]
    source = tmp_path / "noise.gif"
    write_gif(source, images, [100] * 4, loop_count=0)
    options = {"weights": tiny_model, "dequantize": "on", "interpolate": False}
    alone = restore(source, **options, average=False).frames
    averaged = restore(source, **options).frames
    np.testing.assert_array_equal(alone, levels)
    assert averaged.std() < 0.7 * alone.std()
    with_colors_kept = restore(source, **{**options, "dequantize": "off"}).frames
    np.testing.assert_array_equal(with_colors_kept, levels)


@pytest.mark.parametrize(("loop_count", "loop", "moves"), [
    (0, "auto", True), (None, "auto", False), (0, "off", False), (None, "on", True),
])  # fmt: skip
def test_loops_follow_the_file_or_the_option(tmp_path, tiny_model, loop_count, loop, moves):
    source = gif_file(tmp_path, loop_count=loop_count)
    video = restore(
        source, weights=tiny_model, dequantize="off", multiplier=2, loop=loop, scene_threshold=1
    )
    assert (video.frames[-1] != video.frames[-2]).any() == moves


def test_an_mp4_lasts_as_long_as_the_gif(tmp_path, tiny_model):
    delays = [40, 0, 130, 50]  # 0 is shown for 100 ms
    source = gif_file(tmp_path, delays=delays)
    told = []
    report = restore_file(
        source, tmp_path / "out.mp4", RestoreOptions(weights=tiny_model, dequantize="on"),
        progress=lambda done, total: told.append((done, total)),
    )  # fmt: skip
    frames, rate = decoded(tmp_path / "out.mp4")
    assert abs(len(frames) / rate - 0.32) <= 1 / rate
    assert frames[0].shape == (24, 32, 3)
    assert told == [(i, len(frames)) for i in range(1, len(frames) + 1)]
    assert report.frames == len(frames) and report.gif_duration == pytest.approx(0.32)
    assert report.dequantized and report.reason == "asked for" and report.notes == ()
    assert "\n" not in report.summary and "(GIF: 4 frames, 0.32 s)" in report.summary


def test_start_and_end_cut_the_output(tmp_path):
    source = gif_file(tmp_path)
    frames = read_gif(source).frames
    video = restore(source, start=0.1, end=0.3, **PLAIN)
    np.testing.assert_array_equal(video.frames, [frames[1].rgb, frames[2].rgb])
    with pytest.raises(InputError, match="the GIF lasts 0.4 s"):
        restore(source, start=5, **PLAIN)


@pytest.mark.parametrize("count", [1, 2])
def test_short_gifs(tmp_path, tiny_model, count):
    source = gif_file(tmp_path, moving(count))
    video = restore(source, weights=tiny_model, dequantize="on", average=False)
    assert len(video.frames) == round(count * 0.1 * video.fps)
    np.testing.assert_array_equal(video.frames[0], read_gif(source).frames[0].rgb)


def test_odd_sizes_are_padded_in_mp4_and_said_so(tmp_path):
    source = gif_file(tmp_path, moving(2, (5, 7)))
    report = restore_file(source, tmp_path / "out.mp4", RestoreOptions(**PLAIN))
    assert decoded(tmp_path / "out.mp4")[0][0].shape == (6, 8, 3)
    assert len(report.notes) == 1 and "7x5 became 8x6" in report.notes[0]
    restore_file(source, tmp_path / "out.png", RestoreOptions(**PLAIN))
    with PillowImage.open(tmp_path / "out.png") as picture:
        assert picture.size == (7, 5)


def test_one_pixel(tmp_path, tiny_model):
    source = gif_file(tmp_path, [np.full((1, 1, 3), level, np.uint8) for level in (10, 200)])
    video = restore(source, weights=tiny_model, dequantize="on", multiplier=2)
    assert video.frames.shape == (4, 1, 1, 3)


@pytest.fixture
def transparent(tmp_path):
    half = np.repeat([[0, 1]], 16, axis=0).repeat(8, axis=1)
    path = tmp_path / "clear.gif"
    path.write_bytes(
        gif_builder.build([gif_builder.Image(half, palette=gif_builder.COLORS, transparent=1)])
    )
    return path


def test_transparency_stays_where_the_format_has_it(tmp_path, transparent):
    restore_file(transparent, tmp_path / "out.png", RestoreOptions(**PLAIN))
    with PillowImage.open(tmp_path / "out.png") as file:
        picture = np.asarray(file.convert("RGBA"))
    assert (picture[:, :8] == [255, 0, 0, 255]).all() and (picture[:, 8:, 3] == 0).all()
    assert restore(transparent, **PLAIN).frames.shape[-1] == 4


def test_else_the_background_shows(tmp_path, transparent):
    options = RestoreOptions(background=(0, 0, 255), **PLAIN)
    restore_file(transparent, tmp_path / "out.mp4", options)
    picture = decoded(tmp_path / "out.mp4")[0][0].astype(int)
    assert np.abs(picture[:, 12:] - [0, 0, 255]).max() < 20
    assert np.abs(picture[:, :4] - [255, 0, 0]).max() < 20


def test_a_broken_tail_is_kept_as_far_as_it_goes_and_reported(tmp_path):
    source = gif_file(tmp_path)
    data = source.read_bytes()
    source.write_bytes(data[: len(data) * 5 // 8])
    report = restore_file(source, tmp_path / "out.png", RestoreOptions(**PLAIN))
    assert 2 <= report.frames <= 3
    assert report.notes and all("in.gif: " in note for note in report.notes)


def test_a_gif_cut_anywhere_gives_frames_or_one_line(tmp_path):
    images = [gif_builder.Image(np.arange(16).reshape(4, 4) % 4 // (i + 1)) for i in range(2)]
    data = gif_builder.build(images)
    source = tmp_path / "cut.gif"
    restored = 0
    for length in range(len(data)):
        source.write_bytes(data[:length])
        try:
            video = restore(source, multiplier=1, dequantize="off")
        except InputError as error:
            assert str(source) in str(error) and "\n" not in str(error)
        else:
            assert len(video.frames) in (1, 2)
            restored += 1
    assert 10 < restored < len(data)


def test_damage_within_an_image_is_reported(tmp_path):
    """It only shows when the pixels are decoded."""
    images = [
        gif_builder.Image(np.full((8, 8), 1)),
        gif_builder.Image(np.full((8, 8), 2), data=b"\x02\x14\x0a\x00"),
    ]
    source = tmp_path / "damaged.gif"
    source.write_bytes(gif_builder.build(images))
    report = restore_file(source, tmp_path / "out.png", RestoreOptions(**PLAIN))
    assert report.frames == 2
    assert any("frame 1 is damaged" in note for note in report.notes)


def test_standard_input(tmp_path, monkeypatch):
    data = gif_file(tmp_path).read_bytes()
    monkeypatch.setattr("sys.stdin", types.SimpleNamespace(buffer=io.BytesIO(data)))
    report = restore_file("-", tmp_path / "out.png", RestoreOptions(**PLAIN))
    assert report.frames == 4 and report.source == "standard input"


@pytest.mark.parametrize("data", [b"", b"just text", b"GIF89a\x05\0"])
def test_errors_call_standard_input_by_its_name(tmp_path, monkeypatch, data):
    monkeypatch.setattr("sys.stdin", types.SimpleNamespace(buffer=io.BytesIO(data)))
    with pytest.raises(InputError, match="^standard input: ") as caught:
        restore_file("-", tmp_path / "out.png", RestoreOptions(**PLAIN))
    assert "/" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_existing_files_are_not_overwritten_unless_told(tmp_path):
    source = gif_file(tmp_path)
    target = tmp_path / "out.png"
    target.write_text("mine")
    with pytest.raises(InputError, match=r"out\.png"):
        restore_file(source, target, RestoreOptions(**PLAIN))
    assert target.read_text() == "mine"
    restore_file(source, target, RestoreOptions(overwrite=True, **PLAIN))
    with PillowImage.open(target) as picture:
        assert picture.n_frames == 4


@pytest.mark.parametrize("output", ["out.mp4", "out.png", "out.webp", "frames/"])
@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_nothing_is_left_behind_by_an_interrupted_run(tmp_path, output, error):
    source = gif_file(tmp_path)

    def interrupt(done, total):
        if done == 2:
            raise error

    with pytest.raises(error):
        restore_file(source, f"{tmp_path}/{output}", RestoreOptions(**PLAIN), progress=interrupt)
    assert list(tmp_path.iterdir()) == [source]


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"just text", "GIF"), (b"", "empty"), (None, "folder"), ("missing", "no such file")],
)
def test_what_is_no_gif_gets_one_line(tmp_path, content, said):
    source = tmp_path / "in.gif"
    if content is None:
        source.mkdir()
    elif isinstance(content, bytes):
        source.write_bytes(content)
    before = list(tmp_path.iterdir())
    with pytest.raises(InputError) as caught:
        restore_file(source, tmp_path / "out.mp4", RestoreOptions())
    message = str(caught.value)
    assert str(source) in message and said in message and "\n" not in message
    assert list(tmp_path.iterdir()) == before


def test_a_model_that_lacks_a_part_says_what_to_do(tmp_path, tiny_model):
    source = gif_file(tmp_path)
    folder = tmp_path / "half"
    folder.mkdir()
    part = "interpolator.safetensors"
    (folder / part).write_bytes((tiny_model / part).read_bytes())
    with pytest.raises(InputError, match="has no dequantizer.*--dequantize off"):
        restore(source, weights=folder, dequantize="on")
    (folder / part).rename(folder / "dequantizer.safetensors")
    with pytest.raises(InputError, match="expected a network of kind"):
        restore(source, weights=folder, dequantize="on")
    (folder / "dequantizer.safetensors").write_bytes(
        (tiny_model / "dequantizer.safetensors").read_bytes()
    )
    with pytest.raises(InputError, match="has no interpolator.*--no-interpolate"):
        restore(source, weights=folder, dequantize="on")


def test_no_model_is_loaded_where_none_is_needed(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "load_model", None)
    source = gif_file(tmp_path)
    assert len(restore(source, dequantize="off", multiplier=1).frames) == 4
    drawing = np.kron(np.random.default_rng(0).integers(0, 2, (12, 16)), np.ones((4, 4), int))
    path = tmp_path / "drawing.gif"
    path.write_bytes(gif_builder.build([gif_builder.Image(drawing * 3)]))
    np.testing.assert_array_equal(restore(path).frames[0], read_gif(path).frames[0].rgb)


def test_a_gif_that_looks_lossy_goes_through_its_own_dequantizer(
    tmp_path, tiny_model, monkeypatch
):
    """The tiny dequantiser keeps colours; here the one of lossy GIFs makes them lighter."""
    cells = []

    def recorded(network, **options):
        cells.append(options["cells"])
        return Dequantizer(network, **options)

    monkeypatch.setattr(module, "Dequantizer", recorded)
    folder = tmp_path / "model"
    shutil.copytree(tiny_model, folder)
    network = load_model(tiny_model).dequantizer
    lighter = jax.tree.map(lambda leaf: np.full_like(leaf, leaf.ndim == 1), network.variables)
    path = folder / "dequantizer_lossy.safetensors"
    save_network(path, "ccdnet1", network.fields, lighter, about={"data": "none"})
    rows = np.random.default_rng(0).integers(0, 200, (48, 4, 3)).astype(np.uint8)
    pictures = {"lossy": rows.repeat(16, axis=1), "exact": moving(1, (48, 64))[0]}
    for name, picture in pictures.items():
        source = gif_file(tmp_path, [picture], name=f"{name}.gif")
        video = restore(source, weights=folder, dequantize="on", interpolate=False)
        same = np.array_equal(video.frames[0], read_gif(source).frames[0].rgb)
        assert same == (name == "exact")
        # Lossy compression leaves no cells.
        assert cells.pop() == (name == "exact")
