"""Inpainting examples: clips and holes that depend on seed and index alone."""

import numpy as np
import pytest

from gif2video_jax.errors import InputError
from gif2video_jax.training import inpainting_examples
from gif2video_jax.training.inpainting_examples import InpaintingExamples
from gif2video_jax.training.inputs import make_examples
from gif2video_jax.training.masks import MASK_KINDS
from tests.training.miniature_corpus import smooth_picture, write_corpus

SMALL = {"size": 32, "num_frames": 2}


@pytest.fixture(scope="module")
def corpus_path(tmp_path_factory):
    return str(write_corpus(tmp_path_factory.mktemp("corpus") / "corpus.zip"))


@pytest.mark.parametrize("real_share", [0.0, 1.0])
def test_shapes_are_as_promised_and_bools_are_true_bools(corpus_path, real_share):
    maker = make_examples(
        "inpainting", split="train", seed=0, source=corpus_path, real_share=real_share, **SMALL
    )
    example = maker[0]
    assert {key: (value.dtype.name, value.shape) for key, value in example.items()} == {
        "truth": ("uint8", (1, 2, 32, 32, 3)),
        "mask": ("bool", (1, 2, 32, 32)),
    }
    assert example["mask"].any(axis=(2, 3)).all()


@pytest.mark.parametrize("kind", MASK_KINDS)
def test_masks_are_zeros_and_ones_in_memory(corpus_path, kind):
    """A byte of 255 in a bool array is -1 once it is a float somewhere."""
    maker = InpaintingExamples(corpus_path, masks=kind, real_share=0.0, **SMALL)
    for index in range(3):
        assert set(np.unique(maker[index]["mask"].view(np.uint8))) <= {0, 1}


def test_an_example_is_a_function_of_seed_and_index_alone(corpus_path):
    one, two = (
        InpaintingExamples(corpus_path, seed=2, real_share=0.5, masks="mixed", **SMALL)
        for _ in range(2)
    )
    two[1]
    for key, value in one[0].items():
        np.testing.assert_array_equal(value, two[0][key], err_msg=key)
    assert not np.array_equal(one[0]["truth"], one[1]["truth"])


def test_real_clips_are_the_corpus(corpus_path):
    """A clip of the miniature corpus is 140x120; a crop of 120 is a whole side of it."""
    from gif2video_jax.training.sources import open_source

    source = open_source(corpus_path, split="train", kind="clip")
    whole = source.frames(source.items[0], range(2))
    maker = InpaintingExamples(corpus_path, size=120, num_frames=2, flips=False)
    truth = maker[0]["truth"][0]
    assert any(
        np.array_equal(truth, whole[:, :, left : left + 120]) for left in range(140 - 120 + 1)
    )


def test_stills_at_rest_are_parts_of_the_corpus_stills(corpus_path):
    """A still of the miniature corpus is 140x120; a part of 120 is a whole side of it."""
    from gif2video_jax.training.sources import open_source

    source = open_source(corpus_path, split="train", kind="still")
    stills = [source.frame(item, 0) for item in source.items]
    fields = {"size": 120, "num_frames": 3, "real_share": 0.0}
    maker = InpaintingExamples(corpus_path, still_share=1.0, flips=False, **fields)
    for index in range(4):
        truth = maker[index]["truth"][0]
        assert all(
            any(np.array_equal(frame, still[:, x : x + 120]) for still in stills for x in range(21))
            for frame in truth
        )
        assert np.array_equal(truth[0], truth[2]), "at rest"
    moving = InpaintingExamples(corpus_path, still_share=0.0, **fields)
    assert any(np.diff(moving[index]["truth"].astype(int), axis=1).any() for index in range(4))
    small = InpaintingExamples(corpus_path, still_share=1.0, **{**fields, "size": 16})
    assert len({small[index]["truth"].tobytes() for index in range(8)}) == 8


def test_frames_of_clips_are_the_pictures_where_there_are_no_stills(tmp_path):
    path = str(write_corpus(tmp_path / "clips.zip", num_stills=0))
    fields = {"still_share": 1.0, "flips": False, "size": 120, "num_frames": 2}
    maker = InpaintingExamples(path, real_share=1e-9, **fields)
    frames = [smooth_picture(100 + number, 120, 140) for number in range(2)]
    for index in range(3):
        truth = maker[index]["truth"][0]
        assert np.array_equal(truth[0], truth[1])
        assert any(np.array_equal(truth[0], f[:, x : x + 120]) for f in frames for x in range(21))
    with pytest.raises(InputError, match="holds no still of the split 'train'"):
        InpaintingExamples(path, real_share=0.0, **fields)


def test_a_split_without_clips_gives_rendered_motion_unless_all_should_be_real(corpus_path):
    fields = {"split": "validation", **SMALL}
    assert InpaintingExamples(corpus_path, real_share=0.9, **fields)[0]["truth"].any()
    with pytest.raises(InputError, match="holds no clip of the split 'validation'"):
        InpaintingExamples(corpus_path, real_share=1.0, **fields)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"masks": "circle"}, "masks: expected one of box_fixed, .*, got 'circle'"),
        ({"real_share": 1.5}, "real_share: expected 0 to 1, got 1.5"),
        ({"still_share": -0.5}, "still_share: expected 0 to 1, got -0.5"),
        ({"num_frames": 0}, "expected num_frames of 1 or more"),
        ({"sampling": "often"}, "sampling: expected one of"),
    ],
)
def test_fields_out_of_range_are_named(corpus_path, fields, message):
    with pytest.raises(InputError, match=message):
        InpaintingExamples(corpus_path, **fields)


@pytest.mark.parametrize("real_share", [0.0, 1.0])
def test_clips_used_more_than_once_have_other_holes_and_mirrorings(corpus_path, real_share):
    maker = InpaintingExamples(
        corpus_path, uses=3, masks="strokes", real_share=real_share, **{**SMALL, "size": 16}
    )
    apart = inpainting_examples._APART
    uses = [maker[index] for index in (5, 5 + apart, 5 + 2 * apart)]
    first = uses[0]["truth"]
    mirrored = [first[:, ::t, :, ::x] for t in (1, -1) for x in (1, -1)]
    for example in uses[1:]:
        assert any(np.array_equal(example["truth"], other) for other in mirrored)
        assert not np.array_equal(example["mask"], uses[0]["mask"])
    # The next round, and the neighbours, are of other clips.
    for index in (5 + 3 * apart, 4, 6):
        assert not any(np.array_equal(maker[index]["truth"], other) for other in mirrored)


def test_a_clip_that_is_used_again_depends_on_seed_and_index_alone(corpus_path):
    one, two = (
        InpaintingExamples(corpus_path, uses=2, real_share=0.5, masks="mixed", **SMALL)
        for _ in range(2)
    )
    last = inpainting_examples._APART + 1  # of a clip that `two` has not made before
    one[1]
    for key, value in one[last].items():
        np.testing.assert_array_equal(value, two[last][key], err_msg=key)


def test_no_use_at_all_is_refused(corpus_path):
    with pytest.raises(InputError, match="config.data.uses: expected 1 or more, got 0"):
        InpaintingExamples(corpus_path, uses=0, **SMALL)
