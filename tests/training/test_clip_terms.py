"""The paper's interpolation loss and its outlier rule against NumPy, written from its facts."""

import jax.numpy as jnp
import numpy as np
import pytest

from gif2video_jax.models.superslomo import Interpolation
from gif2video_jax.training.clip_interpolation_task import ClipResult, clip_terms, next_threshold

N, HEIGHT, WIDTH = 2, 5, 6


def images(seed: int, *leading: int) -> np.ndarray:
    shape = (*leading, HEIGHT, WIDTH, 3)
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype(np.float32)


def sample(image: np.ndarray, flow: np.ndarray) -> np.ndarray:
    """Bilinear backward warping with a clamped border, pixel by pixel in float64."""
    result = np.zeros(image.shape)
    for n, y, x in np.ndindex(image.shape[:3]):
        px = np.clip(x + float(flow[n, y, x, 0]), 0, WIDTH - 1)
        py = np.clip(y + float(flow[n, y, x, 1]), 0, HEIGHT - 1)
        left, top = int(px), int(py)
        right, bottom = min(left + 1, WIDTH - 1), min(top + 1, HEIGHT - 1)
        fx, fy = px - left, py - top
        upper = (1 - fx) * image[n, top, left] + fx * image[n, top, right]
        lower = (1 - fx) * image[n, bottom, left] + fx * image[n, bottom, right]
        result[n, y, x] = (1 - fy) * upper + fy * lower
    return result


def l1(a, b) -> float:
    return float(np.abs(np.asarray(a, float) - b).mean())


def steps(image) -> np.ndarray:
    """Differences to the left and to the upper neighbour of pixels that have both."""
    image = np.asarray(image, float)
    here = image[..., 1:, 1:, :]
    return np.stack([here - image[..., 1:, :-1, :], here - image[..., :-1, 1:, :]])


def edges(a, b) -> float:
    return l1(np.abs(steps(a)), np.abs(steps(b)))


def test_terms_are_those_of_the_paper():
    rng = np.random.default_rng(0)
    times = np.array([[0.25, 0.5, 0.75], [0.1, 0.4, 0.9]], np.float32)
    truth, keys, frames = images(1, N, 5), images(2, N, 2), images(3, N, 3)
    flow_01, flow_10 = rng.normal(0, 1.5, (2, N, HEIGHT, WIDTH, 2)).astype(np.float32)
    refined = np.full((N, 3, HEIGHT, WIDTH, 2), 100, np.float32)  # must not matter
    found = Interpolation(
        frames=jnp.array(frames),
        flow_01=jnp.array(flow_01),
        flow_10=jnp.array(flow_10),
        flow_t0=jnp.array(refined),
        flow_t1=jnp.array(refined),
        visibility=jnp.zeros((N, 3, HEIGHT, WIDTH, 1)),
    )
    terms = clip_terms(ClipResult(jnp.array(keys), found), jnp.array(truth), jnp.array(times))

    first, last = truth[:, 0], truth[:, 4]
    between, to_first, to_last = truth[:, 1:4], [], []
    for number in range(3):
        t = times[:, number, None, None, None].astype(float)
        flow_t1 = (1 - t) ** 2 * flow_01 - t * (1 - t) * flow_10
        flow_t0 = -t * (1 - t) * flow_01 + t**2 * flow_10
        to_last.append(l1(sample(last, flow_t1), between[:, number]))
        to_first.append(l1(sample(first, flow_t0), between[:, number]))
    warp = l1(sample(last, flow_01), first) + l1(sample(first, flow_10), last)
    wanted = {
        "image": l1(keys[:, 0], first) + l1(keys[:, 1], last) + l1(frames, between),
        "gradient": edges(keys[:, 0], first) + edges(keys[:, 1], last) + edges(frames, between),
        "warp": warp + np.mean(to_first) + np.mean(to_last),
    }
    for name, value in wanted.items():
        np.testing.assert_allclose(float(terms[name]), 127.5 * value, rtol=2e-5, err_msg=name)
    # Flows in units of the largest, 30 pixels, and a factor of 30.
    smooth = 30 * sum(np.abs(steps(flow / 30)).mean() for flow in (flow_01, flow_10))
    np.testing.assert_allclose(float(terms["smooth"]), smooth, rtol=2e-5)
    assert terms.keys() == {*wanted, "smooth"}


@pytest.mark.parametrize("steps_per_epoch", [1, 3])
def test_the_threshold_becomes_one_and_a_half_times_each_epochs_mean(steps_per_epoch):
    warps = np.random.default_rng(0).uniform(5, 60, 9).astype(np.float32)
    state = {"threshold": jnp.float32(25), "epoch_sum": jnp.float32(0)}
    wanted = 25.0
    for step, value in enumerate(warps):
        np.testing.assert_allclose(state["threshold"], wanted, rtol=1e-5)
        state = next_threshold(state, jnp.array(value), jnp.array(step), steps_per_epoch)
        if (step + 1) % steps_per_epoch == 0:
            wanted = 1.5 * warps[step + 1 - steps_per_epoch : step + 1].mean()
    np.testing.assert_allclose(state["threshold"], wanted, rtol=1e-5)
