"""Clips that were filled before: the same start as the network's own, and the same loss."""

import errno
import json
import os
import pathlib
import pickle
import sys

import jax.numpy as jnp
import numpy as np
import pytest

from gif2video_jax.errors import InputError
from gif2video_jax.ops.image import to_float
from gif2video_jax.training import feeding, fill_clips
from gif2video_jax.training.fill_clips import write_filled_clips
from gif2video_jax.training.filled_clips import ARRAYS, FilledClips
from gif2video_jax.training.inpainting_examples import InpaintingExamples
from gif2video_jax.training.inputs import make_examples
from gif2video_jax.training.tasks import make_task
from tests.quick import quick_jit
from tests.training.miniature_corpus import write_corpus
from tests.training.shrunk_configs import CONFIGS, shipped, state_of


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A shrunk config of the bundled network, and a folder of its clips."""
    folder = tmp_path_factory.mktemp("filled")
    config = shipped("combcn_default.py")
    config.model.base_channels, config.model.volume_channels = 2, 1
    config.model.fill = "video"  # tells what it saw elsewhere, as "motion" does; compiles faster
    config.data.source = f"packed:{write_corpus(folder / 'corpus.zip')}"
    config.data.size, config.data.num_frames, config.data.real_share = 32, 2, 0.5
    output = str(folder / "clips")
    write_filled_clips(config, output, counts={"train": 5, "validation": 2})
    config.data.source = f"filled:{output}"
    return config, output


def fields_of(config):
    return {k: v for k, v in config.data.items() if k not in ("source", "examples_per_batch")}


def test_holes_are_filled_as_the_network_fills_them(made):
    config, folder = made
    maker = FilledClips(folder, split="validation", seed=0, **fields_of(config))
    example = {name: jnp.asarray(x) for name, x in maker[1].items()}
    mask = example["mask"].astype(jnp.float32)[..., None]
    fill_holes = make_task(config).model.fill_holes
    expected = fill_holes(to_float(example["truth"]), mask)
    found = to_float(example["filled"])
    np.testing.assert_allclose(found, expected[..., :3].clip(-1, 1), atol=0.51 / 127.5)
    seen = example["seen"].astype(jnp.float32) / 255
    np.testing.assert_allclose(seen, expected[..., 3], atol=0.51 / 255)
    known = ~example["mask"]
    np.testing.assert_array_equal(example["filled"][known], example["truth"][known])


def test_thick_holes_are_filled_at_four_times_the_size(made, tmp_path):
    """By hand: drawn large, filled by the same network, means of 4x4 pixels."""
    config = made[0].copy_and_resolve_references()
    source = json.loads((pathlib.Path(made[1]) / "about.json").read_text())["source"]
    config.data.update(source=source, size=16, real_share=0.0)
    output = tmp_path / "clips"
    write_filled_clips(config, str(output), counts={"train": 10}, thick_share=0.9)
    found = {name: np.load(output / f"train_{name}.npy") for name in ARRAYS}
    assert found["truth"].shape == (10, 2, 16, 16, 3)
    thin = InpaintingExamples(**{**fields_of(config), "corpus": source, "seed": config.seed})
    np.testing.assert_array_equal(found["truth"][3:4], thin[3]["truth"])
    large = {**fields_of(config), "size": 64, "masks": "box_fixed", "max_motion": 12.0}
    maker = InpaintingExamples(**{**large, "corpus": source, "seed": config.seed})
    for number in range(4):
        example = maker[number]
        mask = jnp.asarray(example["mask"], jnp.float32)[..., None]
        filled = make_task(config).model.fill_holes(to_float(jnp.asarray(example["truth"])), mask)

        def means(x):
            return np.asarray(x).reshape(2, 16, 4, 16, 4, -1).mean(axis=(2, 4))

        clip = {name: found[name][4 + number].astype(np.float32) for name in ARRAYS}
        np.testing.assert_allclose(clip["truth"], means(example["truth"]), atol=0.51)
        np.testing.assert_array_equal(clip["mask"], means(mask)[..., 0] > 0)
        expected = means(filled[..., :3].clip(-1, 1))
        np.testing.assert_allclose(clip["filled"] / 127.5 - 1, expected, atol=0.51 / 127.5)
        np.testing.assert_allclose(clip["seen"] / 255, means(filled)[..., 3], atol=0.51 / 255)
    # The third batch is thick, too: a box that moves.
    assert (found["mask"][8, 0] != found["mask"][8, 1]).any()
    assert json.loads((output / "about.json").read_text())["thick_share"] == 0.9


@pytest.mark.long
def test_the_loss_is_that_of_a_network_that_fills_itself(made):
    config, folder = made
    example = FilledClips(folder, split="validation", seed=0)[0]
    task = make_task(config)
    state = state_of(task, example)
    step = quick_jit(task.step)
    _, filled_before = step(state, example)
    _, itself = step(state, {name: example[name] for name in ("truth", "mask")})
    assert float(filled_before["loss"]) == pytest.approx(float(itself["loss"]), rel=0.02)
    other = {**example, "filled": 255 - example["filled"]}
    assert float(step(state, other)[1]["loss"]) != pytest.approx(float(itself["loss"]), rel=0.05)


def test_training_sees_symmetries_of_the_same_clips_and_validation_the_clips(made):
    config, folder = made
    maker = make_examples("inpainting", split="train", seed=3, source=config.data.source)
    again = FilledClips(folder, split="train", seed=3)
    stored = np.load(f"{folder}/train_truth.npy")
    for index in range(40):
        example = maker[index]
        for name, value in again[index].items():
            np.testing.assert_array_equal(value, example[name], err_msg=name)
        histogram = np.bincount(example["truth"].ravel(), minlength=256)
        alike = [np.array_equal(histogram, np.bincount(x.ravel(), minlength=256)) for x in stored]
        assert any(alike)
        # All arrays moved alike: what is known is still what is true.
        known = ~example["mask"]
        np.testing.assert_array_equal(example["filled"][known], example["truth"][known])
        assert (example["seen"][known] == 255).all()
    whole = FilledClips(folder, split="validation", seed=3)
    for index in range(2):
        np.testing.assert_array_equal(
            whole[index]["truth"][0], np.load(f"{folder}/validation_truth.npy")[index]
        )
    assert np.array_equal(whole[0]["truth"], whole[2]["truth"])


def test_data_workers_get_paths_and_not_the_arrays(made):
    config, folder = made
    maker = FilledClips(folder, split="train", seed=3)
    travels = pickle.dumps(maker)
    assert len(travels) < 2000
    for name, value in pickle.loads(travels)[7].items():
        np.testing.assert_array_equal(value, maker[7][name])


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="the system has none")
def test_a_full_disk_is_said(made, tmp_path, monkeypatch):
    config, _ = made

    def full(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    again = config.copy_and_resolve_references()
    again.data.source = json.loads((pathlib.Path(made[1]) / "about.json").read_text())["source"]
    with pytest.raises(OSError, match="No space left"):
        write_filled_clips(again, str(tmp_path / "clips"), counts={"train": 1})
    assert not list(tmp_path.iterdir())


def test_other_fields_than_the_clips_were_made_with_are_named(made):
    config, folder = made
    with pytest.raises(InputError, match=r"config.data.size: expected 32, which the clips of"):
        FilledClips(folder, split="train", seed=0, **{**fields_of(config), "size": 64})
    with pytest.raises(InputError, match=r"config.data.sizes: .* were made without it"):
        FilledClips(folder, split="train", seed=0, **fields_of(config), sizes=64)
    other = config.copy_and_resolve_references()
    other.model.fill = "smooth"
    with pytest.raises(InputError, match=r"config.model.fill: the clips are filled by 'video'"):
        feeding.make_batches(other, "train", start=0, num_workers=0)


@pytest.mark.parametrize("about", [None, "{}", "[]", "no JSON"])
def test_what_is_no_folder_of_clips_is_said(tmp_path, about):
    if about is not None:
        (tmp_path / "about.json").write_text(about)
    with pytest.raises(InputError, match="expected a folder of filled clips"):
        FilledClips(str(tmp_path), split="train", seed=0)


def test_the_command_names_what_is_wrong_and_leaves_nothing(tmp_path, monkeypatch):
    output = tmp_path / "clips"
    config = str(CONFIGS / "combcn_default.py")
    for arguments, message in (
        (["--config", config, "--source", "packed:nowhere.zip"], "nowhere.zip: no such packed"),
        (["--config", config, "--source", "packed:x", "--count", "0"], "expected 1 or more"),
        (["--config", config, "--source", "packed:x", "--thick", "1"], "--thick: expected 0 to"),
        (["--config", str(CONFIGS / "smoke.py"), "--source", "packed:x"], "expected inpainting"),
    ):
        monkeypatch.setattr(sys, "argv", ["fill_clips", *arguments, "--output", str(output)])
        with pytest.raises(SystemExit, match=message):
            fill_clips.main()
        assert not list(tmp_path.iterdir())
    output.mkdir()
    monkeypatch.setattr(
        sys,
        "argv",
        ["fill_clips", *("--config", config, "--source", "x"), "--output", str(output)],
    )
    with pytest.raises(SystemExit, match="is there already"):
        fill_clips.main()
