"""The forward pass of the paper's CCDNet-1 beside the same network in PyTorch, in one run.

    python benchmarks/forward.py [--size 256] [--channels 64] [--repetitions 20]

Prints a table: median and best milliseconds of one image through each, and the ratio of PyTorch's
median to ours (above 1: ours is faster). Both get the same random weights and the same image,
float32, and are checked to agree. PyTorch runs as it is fastest: channels last, inference mode, as
many threads as there are cores; ours runs under jit. The two take turns, so that a load on the
machine falls on both. Without PyTorch (the extra [torch]) only our own time is printed.
"""

import argparse
import os
import pathlib
import statistics
import sys
import tempfile
import time

import jax
import numpy as np

from gif2video_jax.models.build import build_model, variable_shapes

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--size", type=int, default=256, help="side of the image, pixels")
    parser.add_argument("--channels", type=int, default=64, help="of the first stage")
    parser.add_argument("--repetitions", type=int, default=20)
    options = parser.parse_args()

    image = np.random.default_rng(0).uniform(-1, 1, (1, options.size, options.size, 3))
    image = image.astype(np.float32)
    functions = {}
    try:
        theirs, module, variables = pytorchs(options.channels, image)
        functions["PyTorch"] = theirs
    except ImportError:
        print("PyTorch is not installed: our own time only")
        module, variables = ours_alone(options.channels)
    functions["gif2video_jax"] = jitted(module, variables, image)
    results = {name: function() for name, function in functions.items()}
    if len(results) == 2:
        difference = np.abs(results["PyTorch"] - results["gif2video_jax"]).max()
        assert difference < 1e-3, f"the two disagree by {difference}"
    print_table(take_turns(functions, options.repetitions), options.size)


def pytorchs(channels: int, image: np.ndarray):
    """PyTorch's network as a function of nothing, and ours with its weights."""
    import torch

    from gif2video_jax.torch_import import import_torch
    from tests import torch_networks

    torch.set_num_threads(os.cpu_count() or 1)
    network = torch_networks.randomize(torch_networks.ColourUNet(ch=channels), seed=0)
    with tempfile.TemporaryDirectory() as folder:
        module, variables = import_torch(torch_networks.save(f"{folder}/net.pt", network))
    network = network.to(memory_format=torch.channels_last)
    tensor = torch_networks.to_nchw(image).contiguous(memory_format=torch.channels_last)

    def run() -> np.ndarray:
        with torch.inference_mode():
            return torch_networks.to_nhwc(torch_networks.ccdnet1(network, tensor))

    return run, module, variables


def ours_alone(channels: int):
    """Our network with weights that mean nothing."""
    multiples = ((1, 2, 4, 8, 8), (4, 2, 1, 1))
    stages, ups = (tuple(channels * m for m in multiple) for multiple in multiples)
    module = build_model("ccdnet1", {"unet": {"stage_channels": stages, "up_channels": ups}})
    variables = jax.tree.map(
        lambda leaf: np.full(leaf.shape, 0.01, leaf.dtype), variable_shapes(module)
    )
    return module, jax.device_put(variables)


def jitted(module, variables, image: np.ndarray):
    """Our network, compiled, as a function of nothing."""
    apply = jax.jit(module.apply)
    image = jax.device_put(image)
    return lambda: np.asarray(apply(variables, image))


def take_turns(functions, repetitions: int) -> dict[str, list[float]]:
    """Seconds of each function's runs, one after the other in turns."""
    times: dict[str, list[float]] = {name: [] for name in functions}
    for _ in range(repetitions):
        for name, function in functions.items():
            start = time.perf_counter()
            function()
            times[name].append(time.perf_counter() - start)
            # Lets the other's threads go to sleep; they wait for more work a while.
            time.sleep(0.02)
    return times


def print_table(times: dict[str, list[float]], size: int) -> None:
    print(f"CCDNet-1, one {size}x{size} image, {os.cpu_count()} cores")
    print("\n| | median ms | best ms |\n|---|---|---|")
    for name, seconds in times.items():
        median, best = 1e3 * statistics.median(seconds), 1e3 * min(seconds)
        print(f"| {name} | {median:.0f} | {best:.0f} |")
    if "PyTorch" in times:
        ratio = statistics.median(times["PyTorch"]) / statistics.median(times["gif2video_jax"])
        print(f"\nPyTorch's time over ours: {ratio:.2f}")


if __name__ == "__main__":
    main()
