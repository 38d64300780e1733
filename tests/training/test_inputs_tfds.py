"""Training examples out of built TFDS data sets, against what their reader gives."""

import importlib.util
import pickle
import sys

import numpy as np
import pytest

from gif2video_jax.errors import InputError
from gif2video_jax.training import inputs
from gif2video_jax.training.sources import open_source
from tests import oracles

if importlib.util.find_spec("tensorflow_datasets") is None:
    oracles.missing("tensorflow_datasets")

import tensorflow_datasets as tfds

import gif2video_jax.datasets  # noqa: F401 (names the data sets)
from gif2video_jax.datasets import reading
from tests.datasets import miniature

# TensorFlow and TFDS warn about their own parts.
pytestmark = pytest.mark.filterwarnings("ignore")

NAME = "gif_open/g8_octree_none"
SIDE = 64


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A miniature of gif_open with GIFs, where TFDS looks for it."""
    top = tmp_path_factory.mktemp("tfds")
    miniature.make_open(top / "own")
    builder = tfds.builder(NAME, data_dir=str(top))
    config = tfds.download.DownloadConfig(manual_dir=str(top / "own"))
    builder.download_and_prepare(download_config=config)
    return top, reading.ClipReader(builder, "train")


@pytest.fixture(autouse=True)
def data_dir(built, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(built[0]))


def test_stored_frames_are_the_readers(built):
    _, clips = built
    maker = inputs.make_examples(
        "dequantization",
        split="train",
        seed=0,
        source=f"tfds:{NAME}",
        recipe="stored",
        augmentation="none",
        sampling="frames",
        patch_size=SIDE,
        patches_per_frame=1,
        drawn_share=0.0,
    )
    seen = set()
    frames = [clips.frame(*clips.locate(number)) for number in range(clips.num_frames)]
    for index in range(len(frames)):
        example = maker[index]
        matches = [
            number
            for number, frame in enumerate(frames)
            if np.array_equal(_middle(frame["truth"]), example["truth"][0])
        ]
        (number,) = matches
        seen.add(number)
        frame = frames[number]
        np.testing.assert_array_equal(example["indices"][0], _middle(frame["indices"]))
        np.testing.assert_array_equal(example["palette"][0], frame["palette"])
        assert example["num_colors"][0] == frame["num_colors"]
    assert seen == set(range(len(frames)))  # an epoch


def _middle(array):
    y, x = ((side - SIDE) // 2 for side in array.shape[:2])
    return array[y : y + SIDE, x : x + SIDE]


def test_stored_clips_carry_the_gif_of_their_ends(built):
    _, clips = built
    maker = inputs.make_examples(
        "clip_interpolation",
        split="train",
        seed=1,
        source=f"tfds:{NAME}",
        recipe="stored",
        sampling="videos",
        num_frames=5,
        size=96,
    )
    video = clips.video(2)  # the only clip
    for index in range(6):
        example = maker[index]
        for key, place in enumerate((0, -1)):
            matches = [
                number
                for number in range(len(video["palette"]))
                if np.array_equal(example["palette"][0, key], video["palette"][number])
            ]
            gif = example["palette"][0, key][example["indices"][0, key]].astype(int)
            truth = example["truth"][0, place].astype(int)
            assert matches and np.abs(gif - truth).mean() < 40


def test_engines_agree_and_workers_open_their_own_reader(built):
    oracles.require_module("grain")
    fields = {"source": f"tfds:{NAME}", "recipe": "stored", "patch_size": SIDE}
    maker = inputs.make_examples("dequantization", split="train", seed=2, **fields)
    copy = pickle.loads(pickle.dumps(maker))
    batches = [
        inputs.make_batches(m, examples_per_batch=2, num_workers=0, start=3, engine=engine)
        for m, engine in ((maker, "processes"), (copy, "auto"))
    ]
    one, two = (next(b) for b in batches)
    for b in batches:
        b.close()
    assert all(np.array_equal(one[key], two[key]) for key in one)


def test_reading_needs_no_tensorflow_and_frames_no_gif(built):
    source = open_source(f"tfds:{NAME}", split="train", kind="still")
    assert [item.num_frames for item in source.items] == [1, 1, 13] and source.has_gifs
    assert len(open_source(f"tfds:{NAME}", split="train", kind="clip").items) == 1
    window = source.frames(source.items[2], range(3, 9, 2))
    np.testing.assert_array_equal(window, built[1].video(2)["truth"][3:9:2])


@pytest.mark.parametrize(
    "name, message",
    [
        ("gif_faces/g32_dither", "not built in .*; `python -m gif2video_jax.datasets.build gif_fa"),
        ("gif_faces", "no such data set, expected tfds:NAME/CONFIG with a name of gif_faces,"),
        ("mnist/plain", "no such data set, expected tfds:NAME/CONFIG"),
        ("gif_open/g8_wu_none", "g8_wu_none: no such configuration"),
    ],
)
def test_what_is_not_built_says_how_to_build_it(name, message):
    with pytest.raises(InputError, match=message) as caught:
        open_source(f"tfds:{name}", split="train", kind="still")
    assert "\n" not in str(caught.value)


def test_without_tfds_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    with pytest.raises(InputError, match=r"pip install '.\[data\]'"):
        open_source(f"tfds:{NAME}", split="train", kind="still")
