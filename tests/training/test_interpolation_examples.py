"""Interpolation examples: frames, times and flows agree with each other."""

import numpy as np
import pytest

from gif2video_jax.training.interpolation_examples import InterpolationExamples
from tests.training.miniature_corpus import write_corpus

SIDE = 48


@pytest.fixture(scope="module")
def corpus_path(tmp_path_factory):
    return str(write_corpus(tmp_path_factory.mktemp("corpus") / "corpus.zip"))


def warped(image: np.ndarray, flow: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Bilinear samples of the image where the flow points, and which of them lie inside."""
    height, width = image.shape[:2]
    y, x = np.mgrid[0:height, 0:width].astype(float)
    x, y = x + flow[..., 0], y + flow[..., 1]
    inside = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    x, y = np.clip(x, 0, width - 1.001), np.clip(y, 0, height - 1.001)
    left, top = x.astype(int), y.astype(int)
    a, b = (x - left)[..., None], (y - top)[..., None]
    upper = image[top, left] * (1 - a) + image[top, left + 1] * a
    lower = image[top + 1, left] * (1 - a) + image[top + 1, left + 1] * a
    return upper * (1 - b) + lower * b, inside


def test_warping_one_key_by_the_true_flow_gives_the_other_where_visible(corpus_path):
    maker = InterpolationExamples(corpus_path, size=SIDE, damage=0.0)
    better = 0
    for index in range(6):
        example = maker[index]
        keys = example["keys"][0].astype(float)
        for here, there in ((0, 1), (1, 0)):
            image, inside = warped(keys[there], example["flows"][0, here])
            mask = example["visible"][0, here] & inside
            assert mask.mean() > 0.2
            error = np.abs(image - keys[here]).mean(-1)[mask]
            # Edges of cut-outs are a pixel wide and blend two motions: the median, not the worst.
            assert np.median(error) < 1.5 and error.mean() < 4
            better += error.mean() < np.abs(keys[there] - keys[here]).mean(-1)[mask].mean()
    assert better >= 10


def test_warping_a_key_by_the_flow_between_gives_the_frame_between(corpus_path):
    maker = InterpolationExamples(corpus_path, size=SIDE, damage=0.0, num_times=2)
    better = 0
    for index in range(6):
        example = maker[index]
        keys, truth = (example[name][0].astype(float) for name in ("keys", "truth"))
        for time in range(2):
            for key in range(2):
                image, inside = warped(keys[key], example["flows_between"][0, time, key])
                mask = example["visible_between"][0, time, key] & inside
                error = np.abs(image - truth[time]).mean(-1)[mask]
                assert np.median(error) < 1.5 and error.mean() < 4
                better += error.mean() < np.abs(keys[key] - truth[time]).mean(-1)[mask].mean()
    assert better >= 20


def test_an_example_is_a_function_of_seed_and_index_alone(corpus_path):
    one, two = (InterpolationExamples(corpus_path, size=SIDE, seed=2) for _ in range(2))
    two[1]
    for key, value in one[0].items():
        np.testing.assert_array_equal(value, two[0][key], err_msg=key)
    assert not np.array_equal(one[0]["keys"], one[1]["keys"])
    other = InterpolationExamples(corpus_path, size=SIDE, seed=3)
    assert not np.array_equal(one[0]["keys"], other[0]["keys"])


def test_shapes_and_times_are_as_promised(corpus_path):
    example = InterpolationExamples(corpus_path, size=SIDE, num_times=3)[0]
    shapes = {key: (value.dtype.name, value.shape) for key, value in example.items()}
    assert shapes == {
        "keys": ("uint8", (1, 2, SIDE, SIDE, 3)),
        "truth": ("uint8", (1, 3, SIDE, SIDE, 3)),
        "times": ("float32", (1, 3)),
        "flows": ("float32", (1, 2, SIDE, SIDE, 2)),
        "visible": ("bool", (1, 2, SIDE, SIDE)),
        "flows_between": ("float32", (1, 3, 2, SIDE, SIDE, 2)),
        "visible_between": ("bool", (1, 3, 2, SIDE, SIDE)),
    }
    times = example["times"][0]
    assert (np.diff(times) >= 0).all() and 0 < times[0] and times[-1] < 1


def test_damage_touches_the_keys_and_never_the_truth(corpus_path):
    clean, damaged = (
        InterpolationExamples(corpus_path, size=SIDE, damage=damage) for damage in (0.0, 1.0)
    )
    changed = 0
    for index in range(5):
        for name in clean[index].keys() - {"keys"}:
            np.testing.assert_array_equal(clean[index][name], damaged[index][name])
        changed += not np.array_equal(clean[index]["keys"], damaged[index]["keys"])
    assert changed
