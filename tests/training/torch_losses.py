"""The paper's losses in PyTorch, NCHW; imported only where torch is installed."""

import numpy as np
import torch

from tests.torch_networks import backward_warp, ccdnet1


def to_torch(batch: dict[str, np.ndarray], device: str) -> tuple[torch.Tensor, ...]:
    """A batch as `colour_loss` or `clip_loss` takes it: GIF, truth (and times), channels last."""

    def images(array: np.ndarray) -> torch.Tensor:
        floats = torch.from_numpy(array.astype(np.float32) / np.float32(127.5) - 1)
        return floats.movedim(-1, -3).to(device)  # channels last in memory as it is

    shape = batch["indices"].shape
    tables = batch["palette"].reshape(-1, 256, 3)
    indices = batch["indices"].reshape(len(tables), *shape[-2:])
    gif = np.stack([table[index] for table, index in zip(tables, indices, strict=True)])
    arrays = [images(gif.reshape(*shape, 3)), images(batch["truth"])]
    if "times" in batch:
        arrays.append(torch.from_numpy(batch["times"]).to(device))
    return tuple(arrays)


def l1(one, other):
    return (one - other).abs().mean()


def differences(image):
    here = image[:, :, 1:, 1:]
    return torch.cat([here - image[:, :, 1:, :-1], here - image[:, :, :-1, 1:]], dim=1)


def gradient_difference(one, other):
    return l1(differences(one).abs(), differences(other).abs())


def colour_loss(unet, gif, truth):
    """CCDNet-1's, without a GAN."""
    prediction = ccdnet1(unet, gif)
    return 100 * l1(prediction, truth) + 200 * gradient_difference(prediction, truth)


def clip_loss(slomo, keys, truth, times):
    """Interpolation's, without a GAN; the key frames of the GIF are all that it has."""
    n, count = times.shape
    first, last = keys[:, 0], keys[:, 1]
    true_first, true_last = truth[:, 0], truth[:, -1]
    between = truth[:, 1:-1].flatten(0, 1)
    f_01 = torch.tanh(slomo.netA(torch.cat([first, last], dim=1)))
    f_10 = torch.tanh(slomo.netA(torch.cat([last, first], dim=1)))

    def repeat(x):
        return x.repeat_interleave(count, dim=0)

    t = times.reshape(-1, 1, 1, 1)
    flow_t1 = (1 - t) ** 2 * repeat(f_01) - t * (1 - t) * repeat(f_10)
    flow_t0 = -t * (1 - t) * repeat(f_01) + t**2 * repeat(f_10)
    image_0, image_1 = repeat(first), repeat(last)
    inputs = [
        image_0,
        image_1,
        backward_warp(image_0, 30 * flow_t0),
        backward_warp(image_1, 30 * flow_t1),
        flow_t0,
        flow_t1,
    ]
    refined = torch.tanh(slomo.netB(torch.cat(inputs, dim=1)))
    visible = (refined[:, 4:5] + 1) / 2
    weight_0, weight_1 = (1 - t) * visible, t * (1 - visible)
    warped_0 = backward_warp(image_0, 30 * refined[:, 0:2])
    warped_1 = backward_warp(image_1, 30 * refined[:, 2:4])
    frames = (weight_0 * warped_0 + weight_1 * warped_1) / (weight_0 + weight_1 + 1e-8)

    pairs = [(first, true_first), (last, true_last), (frames, between)]
    image = sum(l1(*pair) for pair in pairs)
    gradient = sum(gradient_difference(*pair) for pair in pairs)
    warp = (
        l1(backward_warp(true_last, 30 * f_01), true_first)
        + l1(backward_warp(true_first, 30 * f_10), true_last)
        + l1(backward_warp(repeat(true_last), 30 * flow_t1), between)
        + l1(backward_warp(repeat(true_first), 30 * flow_t0), between)
    )
    smooth = 30 * (differences(f_01).abs().mean() + differences(f_10).abs().mean())
    return 0.5 * 127.5 * (image + gradient + warp) + smooth
