"""The benchmark's command, peers and measures, on small made pictures; oracles are named."""

import json
import subprocess

import numpy as np
import pytest
from PIL import Image
from skimage import data

from gif2video_jax.errors import InputError
from gif2video_jax.evaluation.benchmark import (
    command,
    figures,
    filters,
    flicker,
    gif_kinds,
    inbetweens,
    inputs,
    perceptual,
    scenes,
)
from gif2video_jax.evaluation.benchmark.ours import Restorer
from gif2video_jax.evaluation.benchmark.scores import Scores
from gif2video_jax.media import open_writer
from gif2video_jax.pretrained import load_model
from tests import oracles


def photograph(width=96, height=64, left=0, top=0):
    picture = Image.fromarray(data.astronaut()).resize((200, 200), Image.Resampling.LANCZOS)
    return np.asarray(picture.crop((left, top, left + width, top + height)))


def moving(num_frames, step=2, **size):
    """A photograph that moves to the left by whole pixels."""
    return [photograph(left=step * index, top=30, **size) for index in range(num_frames)]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Pictures and a video of one's own."""
    stills, clips = tmp_path_factory.mktemp("stills"), tmp_path_factory.mktemp("clips")
    for index in range(2):
        Image.fromarray(photograph(top=60 * index)).save(stills / f"{index}.png")
    with open_writer(clips / "pan.mp4", width=96, height=64, rate=25) as writer:
        for frame in moving(7):
            writer.write(frame)
    return stills, clips


@pytest.fixture(scope="module")
def result(folders, tiny_model, tmp_path_factory):
    """Output folder of a run with a model that keeps colours and blends, frame by frame."""
    output = tmp_path_factory.mktemp("output")
    arguments = ["--stills", str(folders[0]), "--clips", str(folders[1]), "--quick", "--no-average"]
    arguments += ["--weights", str(tiny_model), "--output", str(output), "--keep-every", "2"]
    assert command.main(arguments) == 0
    return output


def test_the_command_writes_tables_json_and_pictures(result):
    text = (result / "benchmark.md").read_text()
    found = json.loads((result / "benchmark.json").read_text())
    assert [row["kind"] for row in found["stills"]] == [k.name for k in gif_kinds.STILL_KINDS]
    assert [row["kind"] for row in found["clips"]] == [k.name for k in gif_kinds.CLIP_KINDS]
    assert found["lpips"].startswith("not measured: ") or "AlexNet" in found["lpips"]
    for heading in ("## Stills", "## Clips: frames in between", "## Flicker", "## Speed"):
        assert heading in text
    for name in (
        "stills-32-median_cut-none",
        "strip-pan-32-median_cut-none-2",
        "slices-pan-32-median_cut-floyd_steinberg-2",
    ):
        assert np.asarray(Image.open(result / f"{name}.png")).std() > 0


def test_a_model_that_keeps_colours_scores_as_the_gif_does(result):
    found = json.loads((result / "benchmark.json").read_text())
    for row in found["stills"]:
        assert row["methods"]["ours"]["psnr"] == row["methods"]["GIF"]["psnr"]
        assert row["psnr_gain_over_gif"]["ours"] == {"mean": 0.0, "std": 0.0}
        assert row["methods"]["gblur"]["setting"].startswith("gblur=sigma=")
    for row in found["still_scenes"]:
        assert row["gif"] == row["ours"] and row["gif"][0]["level"] > 0


def test_averaging_with_neighbours_lowers_flicker(tiny_model):
    pictures = [inputs.Still(str(top), photograph(top=top)) for top in (0, 60)]
    kind = gif_kinds.CLIP_KINDS[1]
    rows = [
        scenes.measure_scenes(kind, pictures, Restorer(tiny_model, average=average), 5)
        for average in (False, True)
    ]
    gif, alone = rows[0].means
    assert alone == gif and rows[1].means[1] < 0.7 * gif


def test_a_model_that_blends_scores_as_blending_does(result):
    found = json.loads((result / "benchmark.json").read_text())
    for row in found["clips"]:
        between = row["frames_between"]
        assert between["ours"]["psnr"] == pytest.approx(between["GIF, blended"]["psnr"], abs=0.02)
        assert between["flow on ours"]["psnr"] == between["flow on GIF"]["psnr"]
        assert row["video_bytes"][0] > 0 and row["milliseconds_per_output_frame"][0] > 0


def test_the_same_seed_gives_the_same_scores(result, folders, tiny_model, tmp_path):
    arguments = ["--stills", str(folders[0]), "--quick", "--parts", "stills"]
    assert command.main([*arguments, "--weights", str(tiny_model), "--output", str(tmp_path)]) == 0
    first, second = (
        json.loads((folder / "benchmark.json").read_text())["stills"]
        for folder in (result, tmp_path)
    )
    for row in (*first, *second):
        for method in row["methods"].values():
            del method["milliseconds"]
    assert first == second


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--stills", "missing"], "missing: no such folder"),
        (["--clips", "."], ".: expected files with one of the suffixes"),
        (["--stills", "STILLS", "--model", "none"], "none: no such model or folder"),
        (["--clips", "CLIPS", "--keep-every", "9"], "pan: 7 different frames are too few"),
    ],
)
def test_bad_input_ends_with_one_line(arguments, message, folders, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names = {"STILLS": str(folders[0]), "CLIPS": str(folders[1])}
    assert command.main([names.get(argument, argument) for argument in arguments]) == 1
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith(f"benchmark: error: {message}")


def test_a_wrong_kind_says_what_there_is(capsys):
    with pytest.raises(SystemExit) as stop:
        command.main(["--kinds", "32-octopus-none"])
    assert stop.value.code == 2 and "minimum_variance" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["gradfun", "gblur"])
def test_filters_are_those_of_the_ffmpeg_program(name, tmp_path):
    """Oracle: the program, whose version need not be PyAV's: a level more or less may differ."""
    program = oracles.require_program("ffmpeg")
    setting = filters.GRIDS[name][-1]
    picture = photograph()
    Image.fromarray(picture).save(tmp_path / "in.png")
    chain = f"format=gbrp,{setting},format=rgb24"
    subprocess.run(
        [program, "-loglevel", "error", "-i", "in.png", "-vf", chain, "out.png"],
        cwd=tmp_path,
        check=True,
    )
    expected = np.asarray(Image.open(tmp_path / "out.png").convert("RGB"))
    found = filters.Filter(setting)(picture)
    assert np.abs(found.astype(int) - expected).max() <= 1
    assert not np.array_equal(found, picture)


@pytest.mark.parametrize("name", filters.GRIDS)
def test_every_setting_is_one_that_ffmpeg_takes(name):
    made = [filters.Filter(setting)(photograph(32, 24)) for setting in filters.GRIDS[name]]
    assert {picture.shape for picture in made} == {(24, 32, 3)}
    assert any(not np.array_equal(picture, made[0]) for picture in made)


@pytest.mark.parametrize("name", ["32-median_cut-none", "256-palettegen-sierra2_4a-80"])
def test_a_kinds_name_is_read_back(name):
    assert gif_kinds.parse_kind(name).name == name


@pytest.mark.parametrize("name", ["32-none", "a-octree-none", "8-octree-none-x", "8-octree---9"])
def test_what_is_no_kind_is_named(name):
    with pytest.raises(InputError, match=name):
        gif_kinds.parse_kind(name)


def test_a_lossy_kind_is_smaller_and_worse():
    truth = photograph()
    (exact,), size = gif_kinds.make_gif([truth], gif_kinds.parse_kind("64-octree-none"))
    (lossy,), small = gif_kinds.make_gif([truth], gif_kinds.parse_kind("64-octree-none-100"))
    assert small < size
    assert np.square(lossy.rgb.astype(float) - truth).mean() > (
        np.square(exact.rgb.astype(float) - truth).mean()
    )


def test_the_best_setting_is_the_best():
    truth = photograph()
    (frame,), _ = gif_kinds.make_gif([truth], gif_kinds.STILL_KINDS[1])
    best = filters.best_setting("gblur", [frame.rgb], [truth])

    def error(setting):
        return np.square(filters.Filter(setting)(frame.rgb).astype(float) - truth).mean()

    assert error(best) == min(error(setting) for setting in filters.GRIDS["gblur"])


def test_nearest_and_blended_frames_by_hand():
    keys = [np.full((8, 8, 3), value, np.uint8) for value in (0, 100, 40)]
    held = [frame[0, 0, 0] for frame in inbetweens.nearest(keys, 4)]
    mixed = [frame[0, 0, 0] for frame in inbetweens.blended(keys, 4)]
    assert held == [0, 0, 0, 100, 100, 100, 100, 40, 40]
    assert mixed == [0, 25, 50, 75, 100, 85, 70, 55, 40]
    assert [frame[0, 0, 0] for frame in inbetweens.nearest(keys, 2)] == [0, 0, 100, 100, 40]


def test_motion_compensation_follows_a_pan_that_blending_smears():
    """Closed form: the frame between is the picture moved half way."""
    frames = moving(5, step=4)
    keys, truth = frames[::2], frames[1::2]
    methods = {"blended": inbetweens.blended}
    methods |= inbetweens.flow_settings() | inbetweens.minterpolate_settings()
    inner = (slice(8, -8), slice(16, -16))

    def error(method):
        made = method(keys, 2)
        assert len(made) == 5 and np.abs(made[2].astype(int) - keys[1]).mean() < 1
        pairs = zip(made[1::2], truth, strict=True)
        return np.mean([np.square(a[inner].astype(float) - b[inner]).mean() for a, b in pairs])

    errors = {name: error(method) for name, method in methods.items()}
    assert len(errors) == 12
    assert all(errors[name] < errors["blended"] / 3 for name in errors if name != "blended")


def test_flicker_is_the_standard_deviation_of_noise_on_what_stands_still():
    rng = np.random.default_rng(0)
    truth = flicker.still_scene(photograph(), photograph(left=90), num_frames=6)
    noisy = [
        np.clip(np.round(frame + rng.normal(0, 3, frame.shape)), 0, 255).astype(np.uint8)
        for frame in np.clip(truth, 30, 225)
    ]
    still = flicker.still_parts(truth)
    assert flicker.flicker(truth, still).level == 0
    assert flicker.flicker(noisy, still).level == pytest.approx(3, abs=0.1)
    assert 0.4 < flicker.flicker(noisy, still).share < 0.9
    with pytest.raises(ValueError, match="expected 6, got 5"):
        flicker.flicker(noisy[1:], still)


def test_repeated_frames_are_left_out_and_windows_hold_no_cut(tmp_path):
    pan = moving(9)
    assert len(inputs.without_repetitions([*pan[:4], pan[3], *pan[4:]])) == 9
    other = [255 - frame for frame in moving(11)]
    with open_writer(tmp_path / "two.mp4", width=96, height=64, rate=25) as writer:
        for frame in [*pan, *other]:
            writer.write(frame)
    clip = inputs.read_clip(tmp_path / "two.mp4", 320, num_frames=9, seed=0)
    assert clip.start == 0 and len(clip.frames) == 9


def test_pictures_are_scaled_down_never_up(tmp_path):
    assert inputs.shrink(photograph(), 48, tmp_path).shape == (32, 48, 3)
    assert inputs.shrink(photograph(), 500, tmp_path).shape == (64, 96, 3)
    Image.new("LA", (40, 40), (0, 0)).save(tmp_path / "glass.png")
    assert inputs.read_still(tmp_path / "glass.png", 320).truth.min() == 255


def test_a_second_pass_is_measured(tiny_model):
    from gif2video_jax.evaluation.benchmark.frontier import measure_model

    still = inputs.Still("one", photograph())
    row = measure_model(tiny_model, [still], gif_kinds.STILL_KINDS[:1])
    assert row.gains == row.second_pass_gains == {"32-median_cut-none": 0.0}
    assert row.dequantize_milliseconds > 0 and row.output_rate > 0
    assert row.megabytes == load_model(tiny_model).card.size / 1e6


def test_what_the_decision_leaves_alone_comes_out_as_it_is(tiny_model):
    flat = np.zeros((40, 40, 3), np.uint8)
    frames, _ = gif_kinds.make_gif([flat], gif_kinds.STILL_KINDS[0])
    restored = Restorer(tiny_model)(frames)
    assert not restored.dequantized and "colour only" in restored.reason
    assert np.array_equal(restored.frames[0], flat)


def test_lpips_takes_pictures_in_its_range():
    def network(first, second):
        assert first.shape == (1, 64, 96, 3)
        return abs(first - second).max().reshape(1, 1, 1, 1)

    distance = perceptual.distance_of(network)
    black, white = np.zeros((64, 96, 3), np.uint8), np.full((64, 96, 3), 255, np.uint8)
    assert distance(black, white) == 2 and distance(black, black) == 0
    loaded, note = perceptual.load_lpips()
    assert (loaded is None) == ("jaxlpips, AlexNet" != note) and note


def test_gains_are_paired():
    mean, spread = Scores([31.0, 23.0], [1, 1]).gain_over(Scores([30.0, 20.0], [1, 1]))
    assert (mean, spread) == (2.0, 1.0)


def test_error_maps_are_four_times_the_difference():
    truth = np.full((8, 8, 3), 100, np.uint8)
    picture = truth.copy()
    picture[0, 0], picture[1, 1] = 97, 200
    found = figures.error_map(picture, truth)
    assert found[0, 0, 0] == 12 and found[1, 1, 0] == 255 and found[2:].max() == 0
