"""Do many devices train as one does? Fake devices on a CPU, in one process and in several.

  python benchmarks/devices.py --config=configs/FILE.py [--config.FIELD=VALUE ...] --steps=3 \
      --layouts=1x1,1x8,2x4

trains the config in each layout (processes x devices), with the real loop, and prints how far
losses, outputs, parameters, running statistics and averages lie from those of the first layout
(differences of values above 1 relative to them). Exits with 1 if one is further off than
--tolerance.

Adam divides a gradient by its size, so that of nearly nothing the rounding of sums in another order
is a part of a step: how far layouts differ grows with the learning rate. Of a miniature of the
paper's GAN training, at 1e-4, single pixels of the outputs differ by up to 2e-5; at 2e-5, by 5e-6.
Of CombCN, at 2e-5, one of its weights differed by more than 1e-6, in one run by more than a step,
and its moments by 1e-5 of themselves. --config.optimizer.epsilon=1e-3 keeps such weights still.

A bias before BatchNorm has no true gradient, and Adam would turn the rounding noise of its gradient
into whole steps, so those gradients are set to the zero that they stand for.
"""

import contextlib
import importlib
import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[1]
# What must agree; the rest is printed too. Gradients of L1 losses jump where a difference changes
# its sign, and moments of Adam are sums of gradients; the pool in `extra` holds outputs. Terms of
# the loss whose weight is 0 are metrics only, one of them a logarithm of what may be nearly 0.
JUDGED = ("losses", "outputs", "params", "model_state", "average")
GROUPS = (*JUDGED, "unused_terms", "gradient_norm", "optimizer_state", "extra")


# The child: one process of one layout.


def child(job: dict) -> None:
    """Trains, then lets the averaged network loose on the validation data."""
    import jax
    import ml_collections

    from gif2video_jax.training import distributed, feeding, tasks
    from gif2video_jax.training.checkpoints import Checkpoints
    from gif2video_jax.training.train import train

    if job["num_processes"] > 1:
        distributed.initialize(
            "on",
            coordinator=job["coordinator"],
            num_processes=job["num_processes"],
            process_id=job["process_id"],
        )
    expected = job["num_processes"] * job["devices"]
    if jax.device_count() != expected:
        raise ValueError(f"expected {expected} devices, got {jax.device_count()}")
    if job["register"]:
        importlib.import_module(job["register"]).register()
    config = ml_collections.ConfigDict(job["config"])
    tasks.TASKS[config.task] = holding_biases(tasks.TASKS[config.task])
    train(config, job["workdir"])
    task = tasks.make_task(config)
    replicated, by_example = feeding.shardings()
    batch = feeding.validation_batches(config, by_example)[0]
    shapes = jax.eval_shape(task.init, jax.random.key(0), batch)
    like = jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=replicated), shapes
    )
    with contextlib.closing(Checkpoints(job["workdir"], reading=True)) as checkpoints:
        state = checkpoints.restore(like)

    def predict(state, batch):
        result, _ = task.generate(
            state.average, state.model_state, state.extra, batch, train=False
        )
        return {jax.tree_util.keystr(path): x for path, x in jax.tree.leaves_with_path(result)}

    outputs = jax.device_get(jax.jit(predict, out_shardings=replicated)(state, batch))
    if jax.process_index() == 0:
        np.savez(os.path.join(job["workdir"], "outputs.npz"), **outputs)


def holding_biases(task_class):
    """The task with gradients of zero for biases before BatchNorm."""
    import jax
    import optax

    def without_noise(updates):
        def clean(path, update):
            return update * 0 if is_before_norm(path, updates) else update

        return jax.tree_util.tree_map_with_path(clean, updates)

    class Holding(task_class):
        def __init__(self, config):
            super().__init__(config)
            first = optax.stateless(lambda updates, _: without_noise(updates))
            self.optimizer = optax.chain(first, self.optimizer)
            if getattr(self, "adversary", None):
                self.adversary.optimizer = self.optimizer

    return Holding


def is_before_norm(path, params) -> bool:
    """Whether `path` ends in "convolution_N/bias" beside a module "norm_N"."""
    names = [key.key for key in path]
    if len(names) < 2 or names[-1] != "bias" or not names[-2].startswith("convolution_"):
        return False
    for name in names[:-2]:
        params = params[name]
    return names[-2].replace("convolution", "norm") in params


# The parent: starts the layouts, and compares.


def run_layout(
    config: dict, workdir: pathlib.Path, processes: int, devices: int, register: str = ""
) -> None:
    """Trains in `processes` processes of `devices` fake devices each."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        coordinator = f"localhost:{free.getsockname()[1]}"
    environment = os.environ | {
        "JAX_PLATFORMS": "cpu",
        "XLA_FLAGS": f"--xla_force_host_platform_device_count={devices}",
        "PYTHONPATH": str(ROOT),
    }
    started = []
    for process_id in range(processes):
        job = {
            "config": config,
            "workdir": str(workdir),
            "coordinator": coordinator,
            "num_processes": processes,
            "process_id": process_id,
            "devices": devices,
            "register": register,
        }
        command = [sys.executable, __file__, "--child"]
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment,
        )
        assert process.stdin is not None
        process.stdin.write(json.dumps(job))
        process.stdin.close()
        process.stdin = None
        started.append(process)
    said = [process.communicate()[0] for process in started]
    for process, text in zip(started, said, strict=True):
        if process.returncode:
            sys.exit(f"{processes}x{devices}: {text}")


def read_run(workdir: pathlib.Path, config: dict) -> dict[str, dict[str, np.ndarray]]:
    """Losses, outputs and every array of the last checkpoint, by group and name."""
    from tests.training.runs import arrays_of, without_timing

    unused = {term for term, weight in config.get("losses", {}).items() if weight == 0}
    found: dict[str, dict[str, np.ndarray]] = {group: {} for group in GROUPS}
    for row in without_timing(workdir):
        kind = "evaluation" if any(k.startswith("validation") for k in row) else "step"
        for name in row.keys() - {"step"}:
            group = "gradient_norm" if name == "gradient_norm" else "losses"
            group = "unused_terms" if name.removeprefix("validation_") in unused else group
            found[group][f"{kind} {row['step']} {name}"] = np.array(row[name])
    with np.load(workdir / "outputs.npz") as outputs:
        found["outputs"] |= outputs
    for name, array in arrays_of(workdir).items():
        group = name.partition("/")[0]
        if group in found:
            found[group][name] = array
    return found


def difference(one: np.ndarray, two: np.ndarray) -> float:
    """The largest difference, absolute below 1 and relative above."""
    one, two = one.astype(np.float64), two.astype(np.float64)
    return float(np.max(np.abs(one - two) / np.maximum(1.0, np.abs(one)), initial=0.0))


def compare(
    config: dict, layouts: list[tuple[int, int]], register: str = ""
) -> dict[str, dict[str, float]]:
    """For each layout but the first, the largest difference from it in each group."""
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        runs = []
        for processes, devices in layouts:
            workdir = pathlib.Path(folder) / f"{processes}x{devices}"
            run_layout(config, workdir, processes, devices, register)
            runs.append(read_run(workdir, config))
    for (processes, devices), run in zip(layouts[1:], runs[1:], strict=True):
        results[f"{processes}x{devices}"] = {
            group: max(
                (difference(array, run[group][name]) for name, array in arrays.items()),
                default=0.0,
            )
            for group, arrays in runs[0].items()
        }
    return results


def main() -> int:
    from absl import flags
    from ml_collections import config_flags

    config_flags.DEFINE_config_file("config", help_string="The config file.")
    flags.DEFINE_string("layouts", "1x1,1x8,2x4", "Processes x devices each; the first is truth.")
    flags.DEFINE_integer("steps", 3, "Steps to train.")
    flags.DEFINE_float("tolerance", 1e-5, "Largest difference that passes.")
    flags.DEFINE_string("register", "", "A module whose register() adds the config's task.")
    flags.mark_flag_as_required("config")
    try:
        flags.FLAGS(sys.argv)
    except (flags.Error, AttributeError, KeyError, OSError) as error:
        sys.exit(f"devices: {error}; the head of this file has an example")
    values = flags.FLAGS
    config = values.config
    fields = {
        "num_steps": values.steps,
        "log_every": 1,
        "evaluate_every": values.steps,
        "validation_batches": 1,
        "num_workers": 0,
        "checkpoint_every_seconds": 1e9,
    }
    for name, value in fields.items():
        config[name] = value
    layouts = [tuple(int(n) for n in text.split("x")) for text in values.layouts.split(",")]
    results = compare(json.loads(config.to_json_best_effort()), layouts, values.register)
    worst = 0.0
    for layout, groups in results.items():
        for group, value in groups.items():
            print(f"{layout} from {values.layouts.split(',')[0]}: {group:16} {value:.1e}")
            worst = max(worst, value if group in JUDGED else 0.0)
    print("equals" if worst <= values.tolerance else f"differs by {worst:.1e}")
    return int(worst > values.tolerance)


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    if sys.argv[1:] == ["--child"]:
        child(json.load(sys.stdin))
    else:
        sys.exit(main())
