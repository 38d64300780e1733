"""Dequantisation examples, against the GIF making and NumPy arithmetic done again here."""

import numpy as np
import pytest

from gif2video_jax.errors import InputError
from gif2video_jax.training import recipes
from gif2video_jax.training.examples import DequantizationExamples, flat_drawing, random_view
from tests.training.miniature_corpus import smooth_picture, write_corpus

SIDE = 32
FIXED = "16/median_cut/none"


@pytest.fixture(scope="module")
def corpus_path(tmp_path_factory):
    return str(write_corpus(tmp_path_factory.mktemp("corpus") / "corpus.zip"))


def make(corpus_path, **fields) -> DequantizationExamples:
    defaults = {"patch_size": SIDE, "patches_per_frame": 2, "recipe": FIXED, "drawn_share": 0.0}
    return DequantizationExamples(corpus_path, **(defaults | fields))


def equal(one, two) -> bool:
    assert one.keys() == two.keys()
    return all(np.array_equal(one[key], two[key]) for key in one)


@pytest.mark.parametrize("recipe", [FIXED, "wild"])
def test_an_example_is_a_function_of_seed_and_index_alone(corpus_path, recipe):
    fields = {"recipe": recipe, "drawn_share": 0.3, "seed": 3}
    one, two = make(corpus_path, **fields), make(corpus_path, **fields)
    forwards = [one[i] for i in range(4)]
    backwards = [two[i] for i in reversed(range(4))][::-1]
    assert all(equal(a, b) for a, b in zip(forwards, backwards, strict=True))
    assert not equal(forwards[0], forwards[1])
    assert not equal(forwards[0], make(corpus_path, **(fields | {"seed": 4}))[0])


def test_shapes_and_types_are_as_promised(corpus_path):
    example = make(corpus_path)[0]
    shapes = {key: (value.dtype.name, value.shape) for key, value in example.items()}
    assert shapes == {
        "truth": ("uint8", (2, SIDE, SIDE, 3)),
        "indices": ("uint8", (2, SIDE, SIDE)),
        "palette": ("uint8", (2, 256, 3)),
        "num_colors": ("int32", (2,)),
        "geometry": ("float32", (2, 256, 12)),
    }


def test_each_undithered_pixel_has_the_nearest_colour_to_its_truth(corpus_path):
    """Palette and indices against a brute-force search in the truth: patches are cut alike."""
    for index in range(3):
        example = make(corpus_path)[index]
        for patch in range(2):
            palette = example["palette"][patch].astype(int)[: example["num_colors"][patch]]
            assert 2 <= len(palette) <= 16
            truth = example["truth"][patch].astype(int)
            distance = np.square(truth[:, :, None] - palette).sum(-1)
            indices = example["indices"][patch][..., None].astype(int)
            shown = np.take_along_axis(distance, indices, axis=2)
            np.testing.assert_array_equal(shown[..., 0], distance.min(-1))


def test_dithered_patches_keep_the_mean_colour(corpus_path):
    """Of many colours: those of few do not span the truth, and no dither can mix it."""
    example = make(corpus_path, recipe="256/median_cut/floyd_steinberg")[1]
    for patch in range(2):
        gif = example["palette"][patch][example["indices"][patch]].astype(float)
        assert np.abs(gif.mean((0, 1)) - example["truth"][patch].mean((0, 1))).max() < 4


def test_geometry_is_that_of_the_frames_used_colours(corpus_path, monkeypatch):
    """The palette gets an entry that no pixel uses: its row stays zero, and nobody points there."""
    original = recipes.quantize

    def with_leftovers(*arguments, **keywords):
        indices, palette = original(*arguments, **keywords)
        colors = np.concatenate([palette.colors[: palette.num_colors], [[1, 2, 3]]])
        return indices, type(palette).from_colors(colors.astype(np.uint8))

    plain = make(corpus_path)[0]
    monkeypatch.setattr(recipes, "quantize", with_leftovers)
    padded = make(corpus_path)[0]
    assert padded["num_colors"][0] == plain["num_colors"][0] + 1
    np.testing.assert_array_equal(padded["geometry"], plain["geometry"])
    unused = np.setdiff1d(np.arange(256), np.arange(plain["num_colors"][0]))
    assert not padded["geometry"][:, unused].any()


def test_geometry_points_from_a_colour_to_its_nearest_others(corpus_path):
    example = make(corpus_path)[2]
    colors = example["palette"][0].astype(int)
    used = np.flatnonzero(example["geometry"][0].any(-1))
    assert set(np.unique(example["indices"])) <= set(used)
    for index in used:
        offsets = np.round(example["geometry"][0][index].reshape(4, 3) * 127.5).astype(int)
        others = np.unique(colors[used], axis=0)
        distances = np.sort(np.square(others - colors[index]).sum(-1))
        distances = distances[distances > 0][:4]
        np.testing.assert_array_equal(np.square(offsets).sum(-1)[: len(distances)], distances)
        assert all((colors[index] + offset).tolist() in others.tolist() for offset in offsets)


def test_drawings_lose_nothing(corpus_path):
    for index in range(3):
        example = make(corpus_path, drawn_share=1.0)[index]
        assert example["num_colors"][0] <= 256
        for patch in range(2):
            gif = example["palette"][patch][example["indices"][patch]]
            np.testing.assert_array_equal(gif, example["truth"][patch])


def test_a_flat_drawing_has_few_colours():
    for seed in range(12):
        drawing = flat_drawing(np.random.default_rng(seed), 96)
        assert drawing.shape == (96, 96, 3)
        assert len(np.unique(drawing.reshape(-1, 3), axis=0)) <= 20


@pytest.mark.parametrize("height, width", [(40, 300), (300, 40), (500, 700), (33, 31)])
def test_views_are_at_least_the_patch_and_at_most_a_large_gif(height, width):
    picture = smooth_picture(0, height, width)
    for seed in range(12):
        view = random_view(np.random.default_rng(seed), picture, at_least=SIDE)
        assert min(view.shape[:2]) >= SIDE
        assert max(view.shape[:2]) <= 352


def test_windows_are_as_small_as_is_allowed_and_no_smaller():
    # A slope tells how much of it a view shows; recoloured, half of the time, it does not.
    slope = np.linspace(0, 255, 1600).astype(np.uint8)
    picture = np.broadcast_to(slope[None, :, None], (1600, 1600, 3))
    shown = []
    for seed in range(120):
        view = random_view(
            np.random.default_rng(seed), picture, at_least=SIDE, smallest_window=0.25
        ).astype(int)
        if (np.ptp(view, axis=-1) == 0).all():
            rises = abs(view[-1, 0] - view[0, 0]), abs(view[0, -1] - view[0, 0])
            shown.append(np.max(rises) / 255)
    # Windows are up to exp(0.25) wider or narrower than their share.
    assert len(shown) > 30
    assert 0.25 * np.exp(-0.25) - 0.02 < min(shown) < 0.35
    assert max(shown) > 0.8


@pytest.mark.parametrize(
    ("field", "value"),
    [("photograph_share", 65), ("photograph_share", -0.1), ("smallest_window", 0)],
)
def test_shares_out_of_range_are_refused(corpus_path, field, value):
    with pytest.raises(InputError, match=f"config.data.{field}: expected"):
        make(corpus_path, **{field: float(value)})
