"""`gif2video inpaint` and restore's --inpaint-mask: files in, files out, errors in one line."""

import io

import numpy as np
import pytest
from PIL import Image

import gif2video_jax.restoring.inpaint as inpaint_module
from gif2video_jax import cli
from gif2video_jax.media import open_video
from gif2video_jax.models.combcn import CombCN
from gif2video_jax.pretrained import save_network
from gif2video_jax.restoring.inpaint_file import InpaintReport
from tests.random_variables import random_variables

FIELDS = {
    "base_channels": 2,
    "guidance": False,
    "norm": "none",
    "fill": "smooth",
    "dilations": [1, 1, 1, 2],
}


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A folder with an inpainter of random weights."""
    folder = tmp_path_factory.mktemp("weights")
    save_network(
        folder / "inpainter.safetensors",
        "combcn",
        FIELDS,
        random_variables(CombCN(**{**FIELDS, "dilations": (1, 1, 1, 2)}), 0),
        about={},
    )
    return folder


@pytest.fixture
def no_network(monkeypatch):
    """What the network makes is grey, at once."""

    def grey(self, variables, video, holes, scale, factor):
        return np.full(video.shape, 128, np.float32)

    class Grey(inpaint_module.Inpainter):
        def __init__(self, *arguments, **named):
            super().__init__(*arguments, **named)
            self._complete = grey.__get__(self)

    monkeypatch.setattr("gif2video_jax.restoring.inpaint_file.Inpainter", Grey)


def pictures(num_frames=3, height=24, width=32):
    rows = np.arange(height)[:, None, None] * 8 + np.arange(3) * 10
    clip = np.stack([np.broadcast_to(rows, (height, width, 3)) + n for n in range(num_frames)])
    return np.clip(clip, 0, 255).astype(np.uint8)


@pytest.fixture
def clip(tmp_path):
    """A folder of pictures."""
    folder = tmp_path / "clip"
    folder.mkdir()
    for number, frame in enumerate(pictures()):
        Image.fromarray(frame).save(folder / f"{number:04d}.png")
    return folder


def frames_of(path):
    with open_video(path) as video:
        return np.stack(list(video))


def run(*arguments):
    return cli.main([str(argument) for argument in arguments])


@pytest.mark.parametrize(
    ("share", "text"), [(1.0, "100 %"), (0.9999, "100 %"), (0.42, "42 %"), (0.055, "5.5 %")]
)
def test_shares_are_written_as_people_do(share, text):
    report = InpaintReport("out.mkv", 32, 24, 3, 0.12, 25.0, share, 0, ())
    assert report.summary.endswith(f", {text} filled in")


def test_a_box_is_filled_and_all_else_is_bit_identical(clip, weights, tmp_path, capsys):
    """With a real network, of random weights."""
    out = tmp_path / "out.mkv"
    code = run("inpaint", clip, "--box", "4,5,6,7", "-o", out, "--weights", weights, "--lossless")
    captured = capsys.readouterr()
    assert code == 0, captured.err
    assert "out.mkv: 32x24, 3 frames, 0.12 s at 25 fps, 5.5 % filled in" in captured.out
    frames, truth = frames_of(out), pictures()
    hole = np.zeros(truth.shape[:3], bool)
    hole[:, 5:12, 4:10] = True
    np.testing.assert_array_equal(frames[~hole], truth[~hole])
    assert not np.array_equal(frames[hole], truth[hole])


def test_a_mask_folder_has_a_hole_for_each_frame(clip, weights, tmp_path, no_network):
    masks = np.zeros((3, 24, 32), bool)
    for number, mask in enumerate(masks):
        mask[number : number + 3, 8:12] = True
    folder = tmp_path / "masks"
    folder.mkdir()
    for number, mask in enumerate(masks):
        Image.fromarray(mask).save(folder / f"{number}.png")
    out = f"{tmp_path / 'out'}/"
    assert run("inpaint", clip, "--mask", folder, "-o", out, "--weights", weights, "-q") == 0
    expected = np.where(masks[..., None], np.uint8(128), pictures())
    np.testing.assert_array_equal(frames_of(out), expected)


def test_a_gif_keeps_its_times(weights, tmp_path, no_network):
    source = tmp_path / "in.gif"
    images = [Image.fromarray(frame) for frame in pictures(4)]
    images[0].save(
        source, save_all=True, append_images=images[1:], duration=[100, 300, 100, 40], loop=0
    )
    out = tmp_path / "out.mkv"
    options = ("--box", "0,0,4,4", "--weights", weights, "--lossless", "-q")
    assert run("inpaint", source, "-o", out, *options) == 0
    with open_video(out) as video:
        assert video.rate == 50  # 20 ms divide all delays
        assert sum(1 for _ in video) == 5 + 15 + 5 + 2


def test_standard_input_is_filled_onto_standard_output(
    weights, tmp_path, no_network, monkeypatch, capsysbinary
):
    source = tmp_path / "in.gif"
    images = [Image.fromarray(frame) for frame in pictures(3)]
    images[0].save(source, save_all=True, append_images=images[1:], duration=100, loop=0)
    options = ("--box", "2,3,4,5", "--weights", weights, "--format", "mkv", "--lossless")
    assert run("inpaint", source, "-o", tmp_path / "file", *options) == 0
    capsysbinary.readouterr()
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(source.read_bytes())))
    assert run("inpaint", "-", "-o", "-", *options) == 0
    (tmp_path / "stream").write_bytes(capsysbinary.readouterr().out)
    frames = frames_of(tmp_path / "stream")
    np.testing.assert_array_equal(frames, frames_of(tmp_path / "file"))
    assert len(frames) == 3
    assert (frames[:, 3:8, 2:6] == 128).all()


def test_standard_input_that_is_no_video_is_called_so(weights, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"not a video at all")))
    arguments = ("-o", tmp_path / "out.mp4", "--box", "1,1,2,2", "--weights", weights)
    assert run("inpaint", "-", *arguments) == 1
    assert "gif2video: error: standard input: " in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_restore_fills_holes_too(weights, tmp_path, no_network):
    source = tmp_path / "in.gif"
    images = [Image.fromarray(frame) for frame in pictures(3)]
    images[0].save(source, save_all=True, append_images=images[1:], duration=100, loop=0)
    mask = np.zeros((24, 32), bool)
    mask[3:9, 4:20] = True
    Image.fromarray(mask).save(tmp_path / "mask.png")
    outs = []
    for name, more in (("plain", ()), ("filled", ("--inpaint-mask", tmp_path / "mask.png"))):
        out = f"{tmp_path / name}/"
        options = ("--dequantize", "off", "--no-interpolate", "--weights", weights, "-q")
        assert run("restore", source, "-o", out, *options, *more) == 0
        outs.append(frames_of(out))
    plain, filled = outs
    np.testing.assert_array_equal(filled[:, ~mask], plain[:, ~mask])
    assert (filled[:, mask] == 128).all()


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        ((), 2, "mask and box: expected one of them, got neither"),
        (("--box", "1,2,3"), 2, "expected X,Y,W,H such as 10,20,64,48, got '1,2,3'"),
        (("--box", "1,2,0,3"), 2, "expected a width and height above 0"),
        (("--box", "90,2,3,3"), 1, "box 90,2,3,3: outside the video"),
        (("--mask", "nowhere.png"), 1, "nowhere.png: no such file"),
        (("--box", "1,1,3,3", "--grow", "-1"), 2, "grow: expected 0 or more pixels, got -1"),
        (("--box", "1,1,3,3", "--weights", "nowhere"), 1, "nowhere: no such model or folder"),
    ],
)
def test_mistakes_are_told_in_a_line_and_leave_nothing(
    clip, weights, tmp_path, capsys, options, code, message
):
    out = tmp_path / "out.mp4"
    if "--weights" not in options:
        options = (*options, "--weights", weights)
    arguments = ("inpaint", clip, "-o", out, *options)
    if code == 2:
        with pytest.raises(SystemExit) as caught:
            run(*arguments)
        assert caught.value.code == 2
    else:
        assert run(*arguments) == 1
    errors = capsys.readouterr().err
    assert message in " ".join(errors.split()) and "Traceback" not in errors
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clip"]


def test_a_model_without_an_inpainter_is_named(clip, tmp_path, capsys):
    folder = tmp_path / "other"
    folder.mkdir()
    unet = {"stage_channels": [2], "up_channels": [], "kernel_sizes": [3]}
    from gif2video_jax.models.build import build_model

    fields = {"unet": unet}
    save_network(
        folder / "dequantizer.safetensors",
        "ccdnet1",
        fields,
        random_variables(build_model("ccdnet1", fields), 0),
        about={},
    )
    out = tmp_path / "out.mp4"
    assert run("inpaint", clip, "--box", "1,1,3,3", "-o", out, "--weights", folder) == 1
    assert "other: has no inpainter; give --weights a folder" in capsys.readouterr().err
    assert not out.exists()
