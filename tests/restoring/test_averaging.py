"""Averaging along the motion.

Oracles: the formula of the module's head in NumPy, for frames that do not move; whole-pixel motion,
whose true frames are known; and what must not change at all.
"""

import gc
import itertools
import weakref

import numpy as np
import pytest

from gif2video_jax.pretrained import load_model
from gif2video_jax.restoring.averaging import REACH, Averager
from gif2video_jax.restoring.gif_frame import Clean, GifFrame
from gif2video_jax.restoring.interpolate import Interpolator, PairFlows

HEIGHT, WIDTH = 40, 56


class Given(GifFrame):
    """A frame of a GIF whose own colours are some levels off, or as the network left them."""

    def __init__(self, picture, alpha=None, change=0, mend=None):
        self.gif = np.clip(picture[..., :3].astype(int) + change, 0, 255).astype(np.uint8)
        self.alpha = alpha
        self._clean = Clean(picture, mend)


class Shifting(Interpolator):
    """Knows that everything moves by so many whole pixels from one frame to the next."""

    motion = (0, 0)

    def flows(self, frame_0, frame_1, gifs=None):
        flow = np.broadcast_to(np.float32(self.motion), (*frame_0.shape[:2], 2)).copy()
        return PairFlows(flow, -flow)


@pytest.fixture(scope="module")
def shifting(tiny_model):
    return Shifting(load_model(tiny_model).interpolator)


def never(first, second):
    return False


def smooth(seed=0, height=HEIGHT, width=WIDTH):
    """A picture without noise, away from black and white."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width] / 12
    phases = rng.uniform(0, 6, (2, 3))
    return 128 + 60 * np.sin(y[..., None] + phases[0]) * np.cos(x[..., None] + phases[1])


def noisy(picture, seed, level=4):
    noise = np.random.default_rng(seed).normal(0, level, picture.shape)
    return np.clip(np.round(picture + noise), 0, 255).astype(np.uint8)


def average(averager, pictures, is_cut=never, alphas=None, change=0):
    alphas = alphas or [None] * len(pictures)
    pairs = zip(pictures, alphas, strict=True)
    frames = [Given(picture, alpha, change) for picture, alpha in pairs]
    return [np.array(frame.clean) for frame in averager(frames, is_cut)]


def area_mean(x):
    padded = np.pad(x, ((1, 1), (1, 1), (0, 0)), mode="edge")
    height, width = x.shape[:2]
    parts = [padded[i : i + height, j : j + width] for i in range(3) for j in range(3)]
    return sum(parts) / 9


def by_the_formula(pictures, index):
    """The head of the module, for frames that do not move; far ones count through near ones."""
    center = pictures[index].astype(float)
    total, weights = center.copy(), np.ones((*center.shape[:2], 1))
    for side in (-1, 1):
        trust = np.ones_like(weights)
        for distance in range(1, REACH + 1):
            other = index + side * distance
            if not 0 <= other < len(pictures):
                break
            difference = area_mean(pictures[other] - center)
            trust = trust * np.exp(-((difference / 12) ** 2).sum(-1, keepdims=True))
            total += trust * pictures[other]
            weights += trust
    return total / weights


def test_still_frames_are_averaged_by_the_formula(shifting):
    pictures = [noisy(smooth(), seed) for seed in range(5)]
    found = average(Averager(shifting), pictures)
    for index, picture in enumerate(found):
        assert np.abs(picture - by_the_formula(pictures, index)).max() <= 0.51


def test_noise_fades_along_the_motion(tiny_model):
    shifting = Shifting(load_model(tiny_model).interpolator)
    shifting.motion = (3, -2)
    wide = smooth(1, HEIGHT + 40, WIDTH + 40)
    truths = [
        wide[20 - y : 20 - y + HEIGHT, 20 - x : 20 - x + WIDTH]
        for x, y in ((3 * k, -2 * k) for k in range(5))
    ]
    pictures = [noisy(truth, seed) for seed, truth in enumerate(truths)]
    found = average(Averager(shifting), pictures, change=12)
    inside = (slice(8, -8), slice(8, -8))
    before = np.std((pictures[2] - truths[2])[inside])
    after = np.std((found[2] - truths[2])[inside])
    # Five equal shares would leave 1 / sqrt(5) = 0.45.
    assert after < 0.6 * before


@pytest.mark.parametrize("change", [1, 4])
def test_what_moving_it_spoils_is_weighed_against_what_there_is_to_mend(tiny_model, change):
    """A slope moves by a pixel: what is spoilt is 0.45 of its step."""
    shifting = Shifting(load_model(tiny_model).interpolator)
    shifting.motion = (1, 0)
    step, off = 4, 5
    slope = 60 + step * np.arange(40) + np.zeros((HEIGHT, 1))
    first = np.repeat(slope[..., None], 3, axis=-1).astype(np.uint8)
    second = first - step + off  # the neighbour is brighter, all over
    found = average(Averager(shifting), [first, second.astype(np.uint8)], change=change)[0]
    agreement = np.exp(-3 * (off / 12) ** 2)
    noise, spoilt = change**2 + 0.25**2, (0.45 * step) ** 2
    weight = agreement * noise / (noise + spoilt)
    middle = found[HEIGHT // 2, 15:25].astype(float) - first[HEIGHT // 2, 15:25]
    np.testing.assert_allclose(middle, np.round(off * weight / (1 + weight)), atol=0)
    assert middle.max() == (2 if change > 1 else 1)  # so that it is a difference


def test_what_does_not_agree_does_not_count(shifting):
    """Flows that are wrong: neighbours that show something else change nothing."""
    picture = noisy(smooth(2), 0)
    other = np.clip(picture.astype(int) + 60, 0, 255).astype(np.uint8)
    found = average(Averager(shifting), [other, picture, other])
    np.testing.assert_array_equal(found[1], picture)


def test_motion_that_does_not_lead_back_does_not_count(shifting, monkeypatch):
    """Motion of a flat picture can be anything; there and back tell that it was guessed."""
    pictures = [noisy(np.full((HEIGHT, WIDTH, 3), 128.0), seed) for seed in range(3)]

    def astray(self, frame_0, frame_1, gifs=None):
        flow = np.full((*frame_0.shape[:2], 2), 4, np.float32)
        return PairFlows(flow, flow)

    monkeypatch.setattr(Shifting, "flows", astray)
    found = average(Averager(shifting), pictures)
    np.testing.assert_array_equal(np.stack(found), np.stack(pictures))


def test_a_frame_alone_and_strength_zero_change_nothing(shifting):
    picture = noisy(smooth(), 0)
    np.testing.assert_array_equal(average(Averager(shifting), [picture])[0], picture)
    pictures = [picture, noisy(smooth(), 1)]
    for found, expected in zip(
        average(Averager(shifting, strength=0.0), pictures), pictures, strict=True
    ):
        np.testing.assert_array_equal(found, expected)


def test_nothing_is_averaged_across_a_cut(shifting):
    pictures = [noisy(smooth(), seed) for seed in range(4)]
    cut_after_two = average(
        Averager(shifting), pictures, lambda first, second: np.array_equal(first, pictures[1])
    )
    first = average(Averager(shifting), pictures[:2])
    second = average(Averager(shifting), pictures[2:])
    np.testing.assert_array_equal(np.stack(cut_after_two), np.stack(first + second))


def test_frames_that_repeat_stay_equal_and_count_once(shifting):
    """A frame that a GIF shows three times comes out three times the same, as if shown once."""
    pictures = [noisy(smooth(), seed) for seed in range(4)]
    repeated = average(Averager(shifting), [pictures[i] for i in (0, 1, 1, 1, 2, 3)])
    once = average(Averager(shifting), pictures)
    expected = [once[i] for i in (0, 1, 1, 1, 2, 3)]
    np.testing.assert_array_equal(np.stack(repeated), np.stack(expected))


def test_where_nothing_changes_nothing_is_changed(shifting):
    pictures = [noisy(smooth(3, 200, 300), 0).copy() for _ in range(3)]
    pictures[1][5:9, 5:9] = noisy(pictures[1][5:9, 5:9].astype(float), 1)
    found = average(Averager(shifting), pictures)
    for picture, before in zip(found, pictures, strict=True):
        changed = (picture != before).any(-1)
        changed[3:11, 3:11] = False
        assert not changed.any()


def test_transparent_pixels_neither_change_nor_count(shifting):
    rng = np.random.default_rng(7)
    pictures, alphas = [], []
    for seed in range(3):
        opaque = rng.random((HEIGHT, WIDTH)) < 0.7
        colors = noisy(smooth(), seed)
        pictures.append(np.dstack([colors, np.where(opaque, np.uint8(255), np.uint8(0))]))
        alphas.append(opaque)
    found = average(Averager(shifting), pictures, alphas=alphas)
    for picture, before, opaque in zip(found, pictures, alphas, strict=True):
        np.testing.assert_array_equal(picture[..., 3], before[..., 3])
        np.testing.assert_array_equal(picture[~opaque], before[~opaque])
    nowhere_else = alphas[1] & ~alphas[0] & ~alphas[2]
    assert nowhere_else.any()
    np.testing.assert_array_equal(found[1][nowhere_else], pictures[1][nowhere_else])


@pytest.mark.parametrize("channels", [3, 4])
def test_averages_are_moved_to_where_the_gif_allows_them(shifting, channels):
    """By the frame's own function, and only where there is an average."""
    pictures = [noisy(smooth(0, 200, 300), 0).copy() for _ in range(3)]
    pictures[1][40:49, 50:59] = noisy(pictures[1][40:49, 50:59].astype(float), 1)
    pictures = [
        np.dstack([p, np.full(p.shape[:2], 255, np.uint8)])[..., :channels] for p in pictures
    ]
    given = []

    def mend(colors, box):
        given.append((colors, box))
        return 255 - colors

    frames = [Given(p, mend=mend if i == 1 else None) for i, p in enumerate(pictures)]
    found = [frame.clean for frame in Averager(shifting)(frames, never)]
    plain = average(Averager(shifting), pictures)
    ((colors, box),) = given
    assert box.top <= 40 and box.bottom >= 49 and box.left <= 50 and box.right >= 59
    np.testing.assert_array_equal(colors, plain[1][box.slices][..., :3])
    expected = plain[1].copy()
    expected[box.slices][..., :3] = 255 - colors
    np.testing.assert_array_equal(found[1], expected)
    np.testing.assert_array_equal(found[0], plain[0])


def test_the_motion_is_found_once_for_each_pair(shifting, monkeypatch):
    calls = []
    find = Shifting.flows

    def counted(self, frame_0, frame_1, gifs=None):
        calls.append(gifs)
        return find(self, frame_0, frame_1, gifs)

    monkeypatch.setattr(Shifting, "flows", counted)
    pictures = [noisy(smooth(), seed) for seed in range(6)]
    frames = Averager(shifting, joint=True)([Given(p) for p in pictures], never)
    for frame, following in itertools.pairwise(frames):
        assert frame.clean.shape == following.clean.shape
        assert frame.flows_to(following) is not None
        assert following.flows_to(frame) is None
    assert len(calls) == 5 and all(gifs is not None for gifs in calls)


def test_few_frames_are_held_at_a_time(shifting):
    alive: list[weakref.ref] = []

    def source():
        for seed in range(30):
            frame = Given(noisy(smooth(0, 8, 8), seed))
            alive.append(weakref.ref(frame))
            yield frame

    first = None
    for frame in Averager(shifting)(source(), never):
        assert frame.clean is not None
        first = first or frame  # a loop's first frame is kept to the end
        if len(alive) % 10 == 0:  # a collection takes a second beside what other tests have left
            gc.collect()
            assert sum(ref() is not None for ref in alive) <= 4 * REACH + 6
