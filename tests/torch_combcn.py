"""CombCN's layers in PyTorch, written afresh from the paper's tables; imported only with torch.

Everything is NCDHW with depth = time. The 2D network's kernels have one step in time, so that both
networks are Conv3d and ConvTranspose3d with BatchNorm in inference.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch.nn import functional

# number: (kernel, stride, dilation, transposed, skip that is concatenated to the input)
VOLUME = {
    1: (5, 1, 1, False, None), 2: (3, 2, 1, False, None), 3: (3, 1, 1, False, None),
    4: (3, 2, 1, False, None), 5: (3, 1, 2, False, None), 6: (3, 1, 4, False, None),
    7: (3, 1, 8, False, None), 8: (3, 1, 1, False, None), 9: (4, 2, 1, True, 4),
    10: (3, 1, 1, False, 3), 11: (4, 2, 1, True, 2), 12: (3, 1, 1, False, None),
}  # fmt: skip
FRAME = {
    1: (5, 1, 1, False, None), 2: (3, 2, 1, False, None), 3: (3, 1, 1, False, None),
    4: (3, 2, 1, False, None), 5: (3, 1, 1, False, None), 6: (3, 1, 1, False, None),
    7: (3, 1, 2, False, None), 8: (3, 1, 4, False, None), 9: (3, 1, 8, False, None),
    10: (3, 1, 16, False, 7), 11: (3, 1, 1, False, 6), 12: (3, 1, 1, False, 5),
    13: (4, 2, 1, True, 4), 14: (3, 1, 1, False, 3), 15: (4, 2, 1, True, 2),
    16: (3, 1, 1, False, 1), 17: (3, 1, 1, False, None),
}  # fmt: skip


class Result(NamedTuple):
    """As `gif2video_jax.models.combcn.Completion`, and a gradient of the masked L1."""

    frames: np.ndarray
    volume: np.ndarray | None
    kernel_gradient: np.ndarray | None


def complete(variables, video, mask, *, ratio: int, stride_time: bool) -> Result:
    """Completes with the paper's fill and composition; variables are our own module's."""
    truth = torch.from_numpy(np.moveaxis(video, -1, 1).copy())
    hole = torch.from_numpy(np.moveaxis(mask, -1, 1).copy())
    inputs = torch.cat([truth * (1 - hole), hole], dim=1)
    parameters = _Parameters(variables)
    volume = None
    if "volume" in variables["params"]:
        small = functional.avg_pool3d(inputs, (1, ratio, ratio))
        small_hole = functional.max_pool3d(hole, (1, ratio, ratio))
        small = torch.cat([small[:, :3], small_hole], dim=1)
        volume = _run(parameters, "volume", VOLUME, small, stride_time, None, ())
    guided = {2: (2, 14), 4: (4, 12)}[ratio]
    kernel = parameters.kernel("frame", "layer_13").requires_grad_()
    frames = _run(parameters, "frame", FRAME, inputs, False, volume, guided)
    loss = ((frames - truth).abs() * hole).sum() / hole.sum()
    (gradient,) = torch.autograd.grad(loss, kernel)

    def back(x):
        return np.moveaxis(x.detach().numpy(), 1, -1)

    ours = gradient.numpy().transpose(2, 3, 4, 0, 1)  # (in, out, t, h, w) of a transposed one
    return Result(back(frames), None if volume is None else back(volume), ours)


class _Parameters:
    """Our variables as PyTorch has them; each kernel is made once, so that it can have a grad."""

    def __init__(self, variables):
        self._variables = variables
        self._kernels: dict[tuple[str, str], torch.Tensor] = {}

    def kernel(self, network: str, layer: str) -> torch.Tensor:
        if (network, layer) not in self._kernels:
            array = np.asarray(self._variables["params"][network][layer]["kernel"])
            number = layer.removeprefix("layer_")
            table = VOLUME if network == "volume" else FRAME
            transposed = number.isdigit() and table[int(number)][3]
            axes = (3, 4, 0, 1, 2) if transposed else (4, 3, 0, 1, 2)
            self._kernels[network, layer] = torch.from_numpy(array.transpose(axes).copy())
        return self._kernels[network, layer]

    def after(self, network: str, layer: str, x: torch.Tensor) -> torch.Tensor:
        """Bias, or BatchNorm with running statistics and ReLU."""
        arrays = self._variables["params"][network][layer]
        if "bias" in arrays:
            return x + torch.from_numpy(np.array(arrays["bias"])).view(1, -1, 1, 1, 1)
        statistics = self._variables["batch_stats"][network][layer]["norm"]
        norm = arrays["norm"]
        mean, var, scale, shift = (
            torch.from_numpy(np.array(a))
            for a in (statistics["mean"], statistics["var"], norm["scale"], norm["bias"])
        )
        x = functional.batch_norm(x, mean, var, scale, shift, training=False, eps=1e-5)
        return functional.relu(x)


def _run(parameters, network, table, x, stride_time, guide, guided):
    outputs = {0: x}
    for number, (size, stride, dilation, transposed, skip) in table.items():
        name = f"layer_{number}"
        x = outputs[number - 1]
        if skip is not None:
            x = torch.cat([x, outputs[skip]], dim=1)
        kernel = parameters.kernel(network, name)
        steps = kernel.shape[2]
        time_stride = stride if stride_time else 1
        if transposed and time_stride == 1:
            # In time an ordinary, not a transposed kernel: turned round, padded by one.
            x = functional.conv_transpose3d(
                x, kernel.flip(2), stride=(1, stride, stride), padding=((steps - 1) // 2, 1, 1)
            )
        elif transposed:
            x = functional.conv_transpose3d(x, kernel, stride=stride, padding=1)
        else:
            x = functional.conv3d(
                x,
                kernel,
                stride=(time_stride, stride, stride),
                padding=((steps - 1) // 2, dilation * (size // 2), dilation * (size // 2)),
                dilation=(1, dilation, dilation),
            )
        x = parameters.after(network, name, x)
        if guide is not None and number in guided:
            extra = f"guidance_{1 + guided.index(number)}"
            added = functional.conv3d(guide, parameters.kernel(network, extra), padding=(0, 1, 1))
            x = x + parameters.after(network, extra, added)
        outputs[number] = x
    return outputs[max(table)]
