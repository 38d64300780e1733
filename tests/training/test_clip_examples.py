"""Windows of real clips, against frames whose colours say where they are from."""

import io
import json
import zipfile

import numpy as np
import pytest
from PIL import Image

from gif2video_jax.errors import InputError
from gif2video_jax.training.clip_examples import ClipExamples, RealMotionExamples
from tests.training.miniature_corpus import write_corpus

HEIGHT, WIDTH, FRAMES = 40, 56, 12
SIDE = 32


def frame(number):
    """Red says the row, green the column, blue the number of the frame."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    return np.stack([4 * y, 4 * x, np.full_like(x, 20 * number)], axis=-1).astype(np.uint8)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    path = tmp_path_factory.mktemp("clips") / "corpus.zip"
    names = [f"clip/{number}.png" for number in range(FRAMES)]
    with zipfile.ZipFile(path, "w") as archive:
        for number, name in enumerate(names):
            buffer = io.BytesIO()
            Image.fromarray(frame(number)).save(buffer, "PNG")
            archive.writestr(name, buffer.getvalue())
        item = {"kind": "clip", "split": "train", "group": "c", "frame_paths": names}
        archive.writestr("manifest.json", json.dumps({"version": 1, "items": [item]}))
    return str(path)


def make(corpus, kind=ClipExamples, **fields):
    defaults = {"size": SIDE, "num_frames": 5, "recipe": "8/octree/none"}
    return kind(corpus, **({"augmentation": "crop"} | defaults | fields))


def test_shapes_and_types_are_what_the_task_takes(corpus):
    example = make(corpus, augmentation="wild", recipe="wild")[0]
    assert {key: (value.dtype.name, value.shape) for key, value in example.items()} == {
        "truth": ("uint8", (1, 5, SIDE, SIDE, 3)),
        "indices": ("uint8", (1, 2, SIDE, SIDE)),
        "palette": ("uint8", (1, 2, 256, 3)),
        "num_colors": ("int32", (1, 2)),
        "times": ("float32", (1, 3)),
    }
    np.testing.assert_allclose(example["times"], [[0.25, 0.5, 0.75]])


@pytest.mark.parametrize("step", [1, 2])
def test_windows_are_one_crop_of_consecutive_frames_mirrored_and_reversed_at_random(corpus, step):
    seen = set()
    for index in range(40):
        truth = make(corpus, step=step)[index]["truth"][0].astype(int)
        numbers = truth[:, 0, 0, 2] // 20
        reverse, mirror = numbers[1] < numbers[0], truth[0, 0, 1, 1] < truth[0, 0, 0, 1]
        seen.add((bool(reverse), bool(mirror)))
        assert (np.diff(numbers) == (-step if reverse else step)).all()
        y, x = truth[0, 0, 0, 0] // 4, truth[0, 0, :, 1].min() // 4
        for number, got in zip(numbers, truth, strict=True):
            cut = frame(number)[y : y + SIDE, x : x + SIDE]
            np.testing.assert_array_equal(got, cut[:, ::-1] if mirror else cut)
    assert len(seen) == 4


def test_the_gif_is_of_the_first_and_the_last_frame(corpus):
    """Each pixel has the palette's nearest colour to the truth, found by brute force."""
    for index in range(4):
        example = make(corpus, recipe="16/median_cut/none")[index]
        for key, place in enumerate((0, -1)):
            palette = example["palette"][0, key].astype(int)[: example["num_colors"][0, key]]
            truth = example["truth"][0, place].astype(int)
            distance = np.square(truth[:, :, None] - palette).sum(-1)
            indices = example["indices"][0, key][..., None].astype(int)
            shown = np.take_along_axis(distance, indices, axis=2)[..., 0]
            np.testing.assert_array_equal(shown, distance.min(-1))
            assert len(palette) == 16


def test_without_augmentation_it_is_the_middle_as_it_was(corpus):
    truth = make(corpus, augmentation="none")[3]["truth"][0].astype(int)
    numbers = truth[:, 0, 0, 2] // 20
    assert (np.diff(numbers) == 1).all()
    assert tuple(truth[0, 0, 0, :2] // 4) == ((HEIGHT - SIDE) // 2, (WIDTH - SIDE) // 2)


def test_wild_frames_are_scaled_together(corpus):
    """The gradient of the colours says the scale, the same in both directions and all frames."""
    scales = []
    for index in range(12):
        truth = make(corpus, augmentation="wild")[index]["truth"][0].astype(float)
        inner = np.abs(np.diff(truth[:, 4:-4, 4:-4], axis=2)[..., 1]).mean((1, 2))
        down = np.abs(np.diff(truth[:, 4:-4, 4:-4], axis=1)[..., 0]).mean((1, 2))
        np.testing.assert_allclose(inner, inner[0], rtol=0.02)
        np.testing.assert_allclose(down, inner, rtol=0.06)
        scales.append(4 / inner[0])
    assert min(scales) > 0.75 and max(scales) < 1.02 and np.ptp(scales) > 0.1


def test_small_frames_are_made_larger_for_wild_crops_and_named_else(corpus):
    assert make(corpus, size=48, augmentation="wild")[0]["truth"].shape[2] == 48
    with pytest.raises(InputError, match=r"has 56x40 pixels, fewer than config.data.size 48"):
        make(corpus, size=48)[0]


def test_examples_are_a_function_of_seed_and_index(corpus):
    one, two = (make(corpus, recipe="wild", augmentation="wild", seed=5) for _ in range(2))
    for index in (3, 0):
        a, b = one[index], two[index]
        assert all(np.array_equal(a[key], b[key]) for key in a)
    other = make(corpus, recipe="wild", augmentation="wild", seed=6)[0]
    assert not np.array_equal(one[0]["truth"], other["truth"])


def test_real_motion_looks_like_rendered_motion_without_flows(corpus):
    example = make(corpus, RealMotionExamples, damage=0.0)[1]
    assert {key: value.shape for key, value in example.items()} == {
        "keys": (1, 2, SIDE, SIDE, 3),
        "truth": (1, 3, SIDE, SIDE, 3),
        "times": (1, 3),
        "flows": (1, 2, SIDE, SIDE, 2),
        "visible": (1, 2, SIDE, SIDE),
        "flows_between": (1, 3, 2, SIDE, SIDE, 2),
        "visible_between": (1, 3, 2, SIDE, SIDE),
    }
    for name in ("flows", "visible", "flows_between", "visible_between"):
        assert not example[name].any()
    clip = make(corpus)[1]["truth"]
    np.testing.assert_array_equal(example["keys"][0], clip[0, [0, -1]])
    np.testing.assert_array_equal(example["truth"], clip[:, 1:-1])
    damaged = [make(corpus, RealMotionExamples, damage=1.0)[index]["keys"] for index in range(6)]
    clean = [make(corpus)[index]["truth"][:, [0, -1]] for index in range(6)]
    assert 2 <= sum(not np.array_equal(a, b) for a, b in zip(damaged, clean, strict=True)) <= 6


def test_fields_that_make_no_sense_are_named(corpus, tmp_path):
    with pytest.raises(InputError, match="num_frames of 3 or more and a step of 1 or more"):
        make(corpus, num_frames=2)
    with pytest.raises(InputError, match="augmentation: expected one of wild, crop, none, got"):
        make(corpus, augmentation="twirl")
    with pytest.raises(InputError, match="stores no GIFs, which config.data.recipe 'stored'"):
        make(corpus, recipe="stored")
    with pytest.raises(InputError, match="longest item has 2 frames, expected 5"):
        make(str(write_corpus(tmp_path / "c.zip")))[0]
