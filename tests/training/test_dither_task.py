"""Examples of dithers are what they say, and the classifier learns them."""

import jax
import numpy as np
import pytest

from gif2video_jax.errors import InputError
from gif2video_jax.gifs.dither_planes import NUM_PLANES
from gif2video_jax.gifs.dithering import DITHER_KINDS
from gif2video_jax.gifs.maker import DITHERS
from gif2video_jax.training import dither_examples
from gif2video_jax.training.dither_examples import kind_of
from gif2video_jax.training.inputs import make_examples
from gif2video_jax.training.tasks import make_task
from tests.quick import quick_jit
from tests.training.miniature_corpus import write_corpus
from tests.training.shrunk_configs import batch_of, shipped, state_of

NAME = "default_dither_classifier.py"


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return str(write_corpus(tmp_path_factory.mktemp("corpus") / "corpus.zip"))


def examples(corpus, **fields):
    fields = {"patch_size": 48, "patches_per_frame": 3} | fields
    return make_examples("dither_classification", split="train", seed=1, source=corpus, **fields)


def small_task(**changes):
    config = shipped(NAME)
    config.model.channels, config.model.hidden = (6, 6, 8), 8
    config.optimizer.schedule, config.optimizer.warmup_steps = "constant", 0
    for name, value in changes.items():
        config[name] = value
    return make_task(config)


def test_every_dither_has_a_kind():
    kinds = [DITHER_KINDS[kind_of(name)] for name in DITHERS]
    assert kinds[DITHERS.index("none")] == "none" and kinds.count("none") == 1
    assert kinds.count("ordered") == 6 and kinds.count("error diffusion") == 7


def test_an_example_is_patches_of_planes_with_their_kinds(corpus):
    made = examples(corpus)[5]
    assert made["planes"].shape == (3, 48, 48, NUM_PLANES) and made["planes"].dtype == np.int8
    assert made["kind"].shape == (3,) and made["kind"].dtype == np.int32
    again = examples(corpus)[5]
    assert all(np.array_equal(made[name], again[name]) for name in made)


@pytest.mark.parametrize("kind", range(3), ids=DITHER_KINDS)
def test_shares_say_which_kinds_there_are(corpus, kind):
    shares = tuple(float(other == kind) for other in range(3))
    maker = examples(corpus, shares=shares, art_share=0.0)
    found = np.concatenate([maker[index]["kind"] for index in range(4)])
    assert set(found) <= {0, kind} and (found == kind).mean() > 0.5


def test_what_nobody_reduced_has_no_dither(corpus):
    maker = examples(corpus, art_share=1.0)
    for index in range(8):
        assert not maker[index]["kind"].any()


def test_a_patch_that_its_dither_left_alone_has_none(corpus, monkeypatch):
    monkeypatch.setattr(dither_examples, "_MIN_CHANGED", 1.1)
    maker = examples(corpus, shares=(0.0, 1.0, 0.0), art_share=0.0)
    assert not maker[0]["kind"].any()


def test_examples_of_one_gif_are_apart_and_have_other_patches(corpus):
    maker = examples(corpus, uses=2, art_share=0.0)
    first, neighbour, second = maker[0], maker[1], maker[512]
    assert not np.array_equal(first["planes"], second["planes"])
    assert maker._shared_window(0) is maker._shared_window(512)
    assert maker._shared_window(1) is not maker._shared_window(0)
    assert neighbour["planes"].shape == first["planes"].shape


@pytest.mark.parametrize(
    "field, value, words",
    [
        ("patch_size", 8, "patch_size: expected 16 to 128, got 8"),
        ("shares", (1.0, 2.0), "shares: expected three shares"),
        ("art_share", 2.0, "art_share: expected 0 to 1, got 2"),
        ("uses", 0, "uses: expected 1 or more, got 0"),
        ("sampling", "best", "sampling: expected one of"),
        ("typo", 1, "unexpected keyword argument 'typo'"),
    ],
)
def test_fields_that_make_no_sense_are_named(corpus, field, value, words):
    with pytest.raises(InputError, match=words):
        examples(corpus, **{field: value})


def test_art_has_at_most_256_colours():
    for draw in (dither_examples.sprites, dither_examples.shades):
        counts = []
        for seed in range(5):
            picture = draw(np.random.default_rng(seed), 70)
            assert picture.shape == (70, 70, 3) and picture.dtype == np.uint8
            counts.append(len(np.unique(picture.reshape(-1, 3), axis=0)))
        assert max(counts) <= 256 and sorted(counts)[1] > 2


def test_the_loss_is_the_cross_entropy_and_accuracy_counts():
    task = small_task()
    logits = np.array([[2.0, 0, 0], [0, 0, 3.0], [1.0, 1.5, 1.0]], np.float32)
    kinds = np.array([0, 1, 1], np.int32)
    powers = np.exp(logits)
    shares = powers[range(3), kinds] / powers.sum(axis=1)
    found = task.terms(jax.numpy.asarray(logits), {"kind": jax.numpy.asarray(kinds)})
    assert float(found["cross_entropy"]) == pytest.approx(-np.log(shares).mean())
    batch = {k: jax.numpy.asarray(v) for k, v in batch_of("dither_classification").items()}
    state = state_of(task, batch, seed=None)
    metrics = task.evaluate(state, batch)  # all zero: the first kind wins, at a third each
    assert float(metrics["accuracy"]) == pytest.approx((batch["kind"] == 0).mean())
    assert float(metrics["cross_entropy"]) == pytest.approx(np.log(3))


def test_it_learns_kinds_from_examples(corpus):
    maker = examples(corpus, art_share=0.0)
    made = [maker[index] for index in range(5)]
    batch = {name: np.concatenate([one[name] for one in made]) for name in made[0]}
    task = small_task()
    state = state_of(task, batch)
    step = quick_jit(task.step, donate_argnums=0)
    losses = []
    for _ in range(12):
        state, metrics = step(state, batch)
        losses.append(float(metrics["loss"]))
    assert losses[-1] < 0.8 * losses[0], losses


def test_a_discriminator_is_refused():
    adversarial = {"kind": "gan", "weight": 1.0, "pool_size": 0, "channels": (4, 4)}
    with pytest.raises(ValueError, match="a classifier has no discriminator"):
        small_task(adversarial=adversarial)
