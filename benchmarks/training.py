"""Training steps a second beside the same network, loss and optimiser in PyTorch, in one run.

    python benchmarks/training.py [--network ccdnet1 interpolation] [--batch 8] [--size 256]
        [--steps 5] [--frames 9] [--dtype bfloat16] [--profile DIR] [--without_pytorch]

The network, loss and optimiser are those of configs/ccdnet1_faces_dither.py, or of
configs/interpolation_faces_joint.py without its discriminator and its frozen colour network, whose
times are not the question here. Batch and size are the paper's; smaller ones fit a CPU's patience.
Both start from the same weights (a bias shifts nothing that BatchNorm does not shift back) and see
the same batch; the losses of the first step are checked to agree. They take turns, so that a load
on the machine falls on both. PyTorch runs channels last, with as many threads as there are cores,
on the GPU where JAX has one; with --dtype bfloat16 under autocast, and there compiled too.

GFLOP/s counts what the network must compute, as XLA counts our step before it optimises it, for
both. --profile traces two of our steps and prints where their time goes.
"""

import argparse
import collections
import contextlib
import glob
import gzip
import importlib.util
import json
import os
import pathlib
import statistics
import sys
import tempfile
import time

import jax
import numpy as np

from gif2video_jax.ops.compiling import convolution_options
from gif2video_jax.training.tasks import make_task

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
CONFIGS = {"ccdnet1": "ccdnet1_faces_dither", "interpolation": "interpolation_faces_joint"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--network", choices=CONFIGS, nargs="+", default=["ccdnet1"])
    parser.add_argument("--batch", type=int, default=8, help="images, or clips")
    parser.add_argument("--size", type=int, default=256, help="side of the images, pixels")
    parser.add_argument("--frames", type=int, default=9, help="of a clip, key frames included")
    parser.add_argument("--steps", type=int, default=5, help="timed, after two that are not")
    parser.add_argument(
        "--dtype",
        choices=("float32", "bfloat16"),
        default="float32",
        help="of the arithmetic; parameters are float32",
    )
    parser.add_argument("--profile", help="a folder for a trace of our steps")
    parser.add_argument("--without_pytorch", action="store_true")
    options = parser.parse_args()
    for network in options.network:
        measure(argparse.Namespace(**vars(options) | {"network": network}))


def measure(options) -> None:
    batch = make_batch(options)
    task, state = our_start(options, batch)
    runs, theirs = {}, None
    if not options.without_pytorch:
        theirs, state = pytorchs(options, batch, state)
        runs["PyTorch"] = theirs
    step, flops = compiled(options, task, state, batch)
    runs["gif2video_jax"] = Ours(step, state, batch)
    losses = {name: run() for name, run in runs.items()}
    if theirs is not None:
        check_losses(losses, options.dtype == "bfloat16")
    for run in runs.values():
        run()
    times = take_turns(runs, options.steps)
    print_table(options, times, flops)
    if options.profile:
        print_profile(options.profile, runs["gif2video_jax"])


def make_batch(options) -> dict[str, np.ndarray]:
    """A batch of smooth pictures or clips with their GIFs, on our device."""
    from tests.training.shrunk_configs import gif_of, smooth

    rng = np.random.default_rng(0)
    n, side = options.batch, options.size
    if options.network == "ccdnet1":
        truth = smooth(rng, n, side, side, 3)
        return jax.device_put({"truth": truth, **gif_of(truth)})
    room = 2 * (options.frames - 1)
    picture = smooth(rng, n, side + room, side + room, 3)
    clip = [picture[:, 2 * i : 2 * i + side, :side] for i in range(options.frames)]
    truth = np.stack(clip, axis=1)
    times = np.arange(1, options.frames - 1, dtype=np.float32) / (options.frames - 1)
    return jax.device_put(
        {"truth": truth, **gif_of(truth[:, [0, -1]]), "times": np.tile(times, (n, 1))}
    )


def our_start(options, batch):
    """Our task, from the shipped config, and its first state."""
    from tests.training.shrunk_configs import state_of

    path = ROOT / "configs" / f"{CONFIGS[options.network]}.py"
    spec = importlib.util.spec_from_file_location("config", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    config = module.get_config()
    config.adversarial.kind = "none"
    if options.network == "interpolation":
        config.base.kind = ""
        config.outliers.threshold = 1e9  # a step that is left out would take as long
    config.model.unet.dtype = options.dtype
    task = make_task(config)
    return task, state_of(task, batch)


def compiled(options, task, state, batch):
    """Our step, and its number of floating-point operations."""
    lowered = jax.jit(task.step, donate_argnums=0).lower(state, batch)
    step = lowered.compile(compiler_options=convolution_options(options.dtype))
    return step, (lowered.cost_analysis() or {}).get("flops", 0.0)


class Ours:
    """One step of ours at each call; gives the loss."""

    def __init__(self, step, state, batch):
        self.step, self.state, self.batch = step, state, batch

    def __call__(self) -> float:
        self.state, metrics = self.step(self.state, self.batch)
        return float(metrics["loss"])


def pytorchs(options, batch, state):
    """PyTorch's step as a function that gives the loss, and our state with its weights."""
    import torch

    from gif2video_jax.torch_import import import_torch
    from tests import torch_networks as networks
    from tests.training import torch_losses

    torch.set_num_threads(os.cpu_count() or 1)
    torch.manual_seed(0)
    kind = "cuda" if jax.default_backend() == "gpu" and torch.cuda.is_available() else "cpu"
    colours = options.network == "ccdnet1"
    network = networks.ColourUNet() if colours else networks.SuperSlomo()
    with tempfile.TemporaryDirectory() as folder:
        _, variables = import_torch(networks.save(f"{folder}/net.pt", network))
    variables = dict(jax.device_put(variables))
    params = variables.pop("params")
    average = jax.tree.map(lambda x: x.copy(), params)
    state = state.replace(params=params, model_state=variables, average=average)

    network = network.train().to(kind, memory_format=torch.channels_last)
    betas = (0.5, 0.999) if colours else (0.9, 0.999)
    rate = 1e-3 if colours else 1e-4
    adam = torch.optim.Adam(network.parameters(), lr=rate, betas=betas, weight_decay=1e-4)
    arrays = torch_losses.to_torch({k: np.asarray(v) for k, v in batch.items()}, kind)
    loss_of = torch_losses.colour_loss if colours else torch_losses.clip_loss
    if kind == "cuda":
        loss_of = torch.compile(loss_of)

    def run() -> float:
        half = torch.autocast(kind, torch.bfloat16) if options.dtype == "bfloat16" else None
        with half or contextlib.nullcontext():
            loss = loss_of(network, *arrays)
        adam.zero_grad(set_to_none=True)
        loss.backward()
        if not colours:
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        adam.step()
        return float(loss.detach())

    return run, state


def check_losses(losses: dict[str, float], half: bool) -> None:
    ours, theirs = losses["gif2video_jax"], losses["PyTorch"]
    error = abs(ours - theirs) / abs(theirs)
    assert error < (3e-2 if half else 1e-3), f"first losses disagree: {losses}"


def take_turns(runs, steps: int) -> dict[str, list[float]]:
    """Seconds of each one's steps, one after the other in turns."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(steps):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            times[name].append(time.perf_counter() - start)
            time.sleep(0.02)  # lets the other's threads go to sleep
    return times


def print_table(options, times: dict[str, list[float]], flops: float) -> None:
    what = "images" if options.network == "ccdnet1" else f"clips of {options.frames} frames"
    print(
        f"\n{options.network}, {options.batch} {what} of {options.size}x{options.size}, "
        f"{options.dtype}, {jax.devices()[0].device_kind}, {os.cpu_count()} cores, "
        f"{options.steps} steps"
    )
    print("\n| | steps a second (median) | best | GFLOP/s (median) |\n|---|---|---|---|")
    for name, seconds in times.items():
        median = statistics.median(seconds)
        rates = f"{1 / median:.3g} | {1 / min(seconds):.3g} | {flops / median / 1e9:.0f}"
        print(f"| {name} | {rates} |")
    if "PyTorch" in times:
        middle = statistics.median(times["PyTorch"]) / statistics.median(times["gif2video_jax"])
        best = min(times["PyTorch"]) / min(times["gif2video_jax"])
        print(f"\nOurs over PyTorch's: {middle:.2f} (median), {best:.2f} (best); floor 0.6")


def print_profile(folder: str, run) -> None:
    """Traces two steps, and prints which operations take which share of the time."""
    with jax.profiler.trace(folder):
        run()
        run()
    path = max(glob.glob(f"{folder}/**/*.trace.json.gz", recursive=True), key=os.path.getmtime)
    with gzip.open(path, "rt") as file:
        events = json.load(file)["traceEvents"]
    total: collections.Counter = collections.Counter()
    for event in events:
        if "hlo_op" in event.get("args", {}):
            name = event["args"]["hlo_op"].rstrip("0123456789.").removesuffix(".clone")
            total[name] += event["dur"]
    whole = sum(total.values()) or 1
    print("\n| operation | share of the time |\n|---|---|")
    for name, duration in total.most_common(8):
        print(f"| {name} | {duration / whole:.0%} |")


if __name__ == "__main__":
    main()
