"""How training GIFs are drawn."""

import collections

import numpy as np
import pytest

from gif2video_jax.gifs.lossy import compress_lossily
from gif2video_jax.gifs.maker import DITHERS, QUANTIZERS
from gif2video_jax.training.recipes import GifRecipe, random_recipe


def test_wild_recipes_cover_every_kind_that_the_maker_knows():
    rng = np.random.default_rng(0)
    drawn = [random_recipe(rng) for _ in range(4000)]
    assert {recipe.quantizer for recipe in drawn} == set(QUANTIZERS)
    assert {recipe.dither for recipe in drawn} == set(DITHERS)
    counts = [recipe.num_colors for recipe in drawn]
    assert min(counts) == 8 and max(counts) == 256
    lossy = [recipe.lossy for recipe in drawn if recipe.lossy]
    assert 0.15 < len(lossy) / len(drawn) < 0.25
    assert 10 <= min(lossy) < 20 and 180 < max(lossy) <= 200


def test_the_lossless_wild_is_the_wild_without_loss():
    rng = np.random.default_rng(2)
    drawn = [random_recipe(rng, "wild_lossless") for _ in range(500)]
    assert {recipe.lossy for recipe in drawn} == {0}
    assert len({recipe.dither for recipe in drawn}) > 8


def test_full_palettes_and_undithered_gifs_are_common():
    rng = np.random.default_rng(1)
    drawn = [random_recipe(rng) for _ in range(2000)]
    colors = collections.Counter(recipe.num_colors for recipe in drawn)
    dithers = collections.Counter(recipe.dither for recipe in drawn)
    assert colors.most_common(1)[0][0] == 256
    assert {name for name, _ in dithers.most_common(2)} == {"none", "floyd_steinberg"}


def test_equal_generators_draw_equal_recipes():
    one, two = (np.random.default_rng(5) for _ in range(2))
    drawn = [random_recipe(one) for _ in range(20)]
    assert drawn == [random_recipe(two) for _ in range(20)]
    assert len(set(drawn)) > 1


def test_a_fixed_kind_is_always_that_kind():
    kind = "32/minimum_variance/floyd_steinberg"
    for seed in range(5):
        recipe = random_recipe(np.random.default_rng(seed), kind)
        assert recipe == GifRecipe(32, "minimum_variance", "floyd_steinberg")


def test_a_lossy_recipe_makes_what_gifsicle_would():
    """`tests/gifs/test_lossy.py` holds the compressor against it."""
    picture = np.random.default_rng(0).integers(0, 256, (30, 40, 3)).astype(np.uint8)
    indices, palette = GifRecipe(32, "median_cut", "none").make(picture)
    lossy, same = GifRecipe(32, "median_cut", "none", lossy=300).make(picture)
    np.testing.assert_array_equal(same.colors, palette.colors)
    np.testing.assert_array_equal(lossy, compress_lossily(indices, palette, 300))
    assert (lossy != indices).any()


@pytest.mark.parametrize("kind", ["tame", "32/none", "many/median_cut/none", "1/2/3/4", ""])
def test_unknown_kinds_are_named(kind):
    with pytest.raises(ValueError, match="COLORS/QUANTIZER/DITHER"):
        random_recipe(np.random.default_rng(0), kind)
