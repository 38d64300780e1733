"""Losses and metrics against straightforward NumPy, pixel by pixel where that says it best."""

import jax.numpy as jnp
import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio

from gif2video_jax.evaluation import metrics as evaluation
from gif2video_jax.models.superslomo import Interpolation
from gif2video_jax.training import losses
from gif2video_jax.training.interpolation_task import between_terms, loss_terms
from gif2video_jax.training.metrics import mean_psnr


def images(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype(np.float32)


PREDICTION, TRUTH = images(0, 2, 5, 6, 3), images(1, 2, 5, 6, 3)


def close(value, wanted):
    np.testing.assert_allclose(float(value), wanted, rtol=2e-5)


def numpy_differences(image: np.ndarray) -> list[float]:
    """x and y differences of each pixel that has a left and an upper neighbour."""
    found = []
    for n, y, x, c in np.ndindex(image.shape):
        if y and x:
            found.append(float(image[n, y, x, c]) - float(image[n, y, x - 1, c]))
            found.append(float(image[n, y, x, c]) - float(image[n, y - 1, x, c]))
    return found


def test_l1_is_the_mean_distance():
    close(losses.l1(jnp.array(PREDICTION), jnp.array(TRUTH)), np.abs(PREDICTION - TRUTH).mean())


@pytest.mark.parametrize("epsilon", [1e-3, 0.5])
def test_charbonnier_is_a_rounded_distance(epsilon):
    wanted = np.sqrt((PREDICTION.astype(float) - TRUTH) ** 2 + epsilon**2).mean()
    close(losses.charbonnier(jnp.array(PREDICTION), jnp.array(TRUTH), epsilon), wanted)


def test_gradient_difference_compares_the_strength_of_edges():
    pairs = zip(numpy_differences(PREDICTION), numpy_differences(TRUTH), strict=True)
    wanted = np.mean([abs(abs(a) - abs(b)) for a, b in pairs])
    close(losses.gradient_difference(jnp.array(PREDICTION), jnp.array(TRUTH)), wanted)
    assert float(losses.gradient_difference(jnp.array(TRUTH), -jnp.array(TRUTH))) == 0


def test_log_squared_is_the_mean_psnr_of_images_but_for_sign_and_scale():
    """A decibel counts the same in each image, as the mean of scikit-image's PSNR has it."""
    truth = images(4, 3, 8, 9, 3)
    noise = np.array([0.02, 0.1, 0.4], np.float32)[:, None, None, None] * images(5, 3, 8, 9, 3)
    psnr = [
        peak_signal_noise_ratio(a, b, data_range=2.0)
        for a, b in zip(truth, truth + noise, strict=True)
    ]
    wanted = np.log(4) - np.log(10) / 10 * np.mean(psnr)
    close(losses.log_squared(jnp.array(truth + noise), jnp.array(truth), 0.0), wanted)
    # Where nothing differs, epsilon keeps it finite.
    close(losses.log_squared(jnp.array(truth), jnp.array(truth), 4e-5), np.log(4e-5))


def test_flow_smoothness_is_the_mean_step_between_neighbours():
    flow = images(2, 2, 4, 5, 2)
    wanted = np.mean(np.abs(numpy_differences(flow)))
    close(losses.flow_smoothness(jnp.array(flow)), wanted)
    assert float(losses.flow_smoothness(jnp.full((1, 4, 4, 2), 3.0))) == 0


def test_psnr_in_the_step_is_that_of_the_evaluation():
    """The evaluation's own is held against scikit-image."""
    truth = np.random.default_rng(3).integers(0, 256, (3, 8, 9, 3), dtype=np.uint8)
    noise = np.random.default_rng(4).integers(-20, 21, truth.shape)
    prediction = np.clip(truth + noise, 0, 255).astype(np.uint8)
    wanted = np.mean([evaluation.psnr(p, t) for p, t in zip(prediction, truth, strict=True)])
    value = mean_psnr(jnp.array(prediction / 127.5 - 1), jnp.array(truth / 127.5 - 1))
    close(value, wanted)


def test_psnr_of_equal_images_is_finite():
    assert float(mean_psnr(jnp.array(TRUTH), jnp.array(TRUTH))) == pytest.approx(60)


def shifted(image: np.ndarray, dx: int) -> np.ndarray:
    """What a whole-pixel flow (dx, 0) samples; the border repeats."""
    columns = np.clip(np.arange(image.shape[2]) + dx, 0, image.shape[2] - 1)
    return image[:, :, columns]


def constant_flow(dx: float, n: int) -> np.ndarray:
    return np.broadcast_to(np.array([dx, 0], np.float32), (n, 5, 6, 2)).copy()


def test_interpolation_terms_are_those_of_the_definition():
    """Two examples, three times; flows of whole pixels, so that warping is indexing."""
    n, times = 2, 3
    keys, truth = images(5, n, 2, 5, 6, 3), images(6, n, times, 5, 6, 3)
    frames = images(7, n, times, 5, 6, 3)
    flow_01, flow_10 = constant_flow(1, n), constant_flow(-2, n)
    flow_01[0, 2, 3] = [3, 0]  # one pixel moves apart: smoothness and warp see it
    flow_t0 = np.stack([constant_flow(dx, n) for dx in (-1, 0, 1)], axis=1)
    flow_t1 = np.stack([constant_flow(dx, n) for dx in (2, 1, -1)], axis=1)
    flows, visible = images(8, n, 2, 5, 6, 2), images(9, n, 2, 5, 6) > 0
    arrays = {
        "frames": frames,
        "flow_01": flow_01,
        "flow_10": flow_10,
        "flow_t0": flow_t0,
        "flow_t1": flow_t1,
        "visibility": np.full((n, times, 5, 6, 1), 0.5, np.float32),
    }
    result = Interpolation(**{k: jnp.array(v) for k, v in arrays.items()})
    terms = loss_terms(result, *(jnp.array(a) for a in (keys, truth, flows, visible)))

    def l1(a, b):
        return float(np.abs(a.astype(float) - b).mean())

    first, second = keys[:, 0], keys[:, 1]
    back = shifted(second, 1)
    back[0, 2, 3] = second[0, 2, 5]  # 3 + 3 is outside: the border
    to_times = [
        l1(shifted(key, dx), truth[:, time])
        for key, moves in ((first, (-1, 0, 1)), (second, (2, 1, -1)))
        for time, dx in enumerate(moves)
    ]
    warp = l1(back, first) + l1(shifted(first, -2), second) + sum(to_times) / times
    close(terms["warp"], 127.5 * warp)
    close(terms["image"], 127.5 * l1(frames, truth))
    merged = [numpy_differences(a.reshape(-1, 5, 6, 3)) for a in (frames, truth)]
    edges = np.mean([abs(abs(a) - abs(b)) for a, b in zip(*merged, strict=True)])
    close(terms["gradient"], 127.5 * edges)
    close(terms["smooth"], np.mean(np.abs(numpy_differences(flow_01))))
    distance = np.sqrt(np.square(np.stack([flow_01, flow_10], 1) - flows).sum(-1))
    close(terms["flow"], distance[visible].mean())

    flows, visible = images(10, n, times, 2, 5, 6, 2), images(11, n, times, 2, 5, 6) > 0
    result = result._replace(visibility=jnp.array(abs(images(12, n, times, 5, 6, 1))))
    terms = between_terms(result, jnp.array(flows), jnp.array(visible))
    distance = np.sqrt(np.square(np.stack([flow_t0, flow_t1], 2) - flows).sum(-1))
    close(terms["flow_between"], distance[visible].mean())
    trust = np.asarray(result.visibility)[..., 0]
    only_0, only_1 = visible[:, :, 0] & ~visible[:, :, 1], visible[:, :, 1] & ~visible[:, :, 0]
    close(terms["visibility"], np.concatenate([1 - trust[only_0], trust[only_1]]).mean())


def test_flows_that_hold_nowhere_cost_nothing():
    zeros = jnp.zeros
    n = 1
    result = Interpolation(
        frames=zeros((n, 1, 5, 6, 3)),
        flow_01=zeros((n, 5, 6, 2)),
        flow_10=zeros((n, 5, 6, 2)),
        flow_t0=zeros((n, 1, 5, 6, 2)),
        flow_t1=zeros((n, 1, 5, 6, 2)),
        visibility=zeros((n, 1, 5, 6, 1)),
    )
    terms = loss_terms(
        result,
        zeros((n, 2, 5, 6, 3)),
        zeros((n, 1, 5, 6, 3)),
        jnp.ones((n, 2, 5, 6, 2)),
        zeros((n, 2, 5, 6), bool),
    )
    assert float(terms["flow"]) == 0
