"""Does a training survive? Kills it at random moments, lets it go on, compares with one left alone.

  python benchmarks/survive.py --seed=1 --kills=20 --config=configs/FILE.py [--config.FIELD=VALUE]

First the config is trained to its end. Then the same command is started again and again on another
working directory and ended at moments drawn from the seed: while it starts, after a random step
(inside an epoch), or in the middle of a save, by SIGKILL to all its processes or by SIGTERM to the
trainer alone. After each end it is checked that
  - every checkpoint that was whole is still there or has newer ones, and the newest can be read;
  - no more is lost than one checkpoint interval and what ran while a save was under way;
  - after SIGTERM, the exit code is 0 and nothing is lost at all.
At last it runs to its end: every array of the last checkpoint and every row of metrics.jsonl must
be, bit for bit, those of the run that was left alone. Exits with 1 if anything differs.
"""

import collections
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
MOMENTS = ("start", "step", "step", "save", "save")


class Run:
    """The training command in a process group of its own."""

    def __init__(self, command: list[str], workdir: pathlib.Path, log: pathlib.Path):
        self.workdir = workdir
        self._log = open(log, "ab")  # noqa: SIM115
        self.process = subprocess.Popen(
            [*command, f"--workdir={workdir}"],
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )

    def wait_for(self, condition, timeout: float = 600.0) -> bool:
        """Until the condition holds (True) or the run is over (False)."""
        until = time.monotonic() + timeout
        while time.monotonic() < until:
            if condition():
                return True
            if self.process.poll() is not None:
                return False
            time.sleep(0.002)
        raise TimeoutError(f"nothing happened for {timeout} s")

    def kill(self) -> None:
        """SIGKILL to trainer and data workers."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.finish()

    def finish(self) -> int:
        code = self.process.wait()
        self._log.close()
        return code


def half_written(workdir: pathlib.Path) -> set[str]:
    """Checkpoints that are being written, or were: Orbax writes beside, then renames."""
    folder = workdir / "checkpoints"
    names = os.listdir(folder) if folder.is_dir() else []
    return {name for name in names if not name.isdigit()}


def last_row(workdir: pathlib.Path) -> int:
    """The last step of metrics.jsonl, 0 without; a row may be cut off."""
    try:
        lines = (workdir / "metrics.jsonl").read_text().splitlines()
    except FileNotFoundError:
        return 0
    for line in reversed(lines):
        try:
            return json.loads(line)["step"]
        except ValueError:
            continue
    return 0


def end_somewhere(run: Run, rng: random.Random, num_steps: int) -> tuple[str, str, int]:
    """Ends a run at a random moment; returns the moment, the signal and the exit code."""
    left = half_written(run.workdir)  # by the run before
    moment = rng.choice(MOMENTS)
    number = rng.choice((signal.SIGKILL, signal.SIGKILL, signal.SIGTERM))
    began = last_row(run.workdir)
    if moment == "start":
        # SIGTERM before Python has reached the trainer ends Python as it always does.
        number = signal.SIGKILL
        time.sleep(rng.uniform(0.0, 6.0))
    elif moment == "step":
        goal = began + rng.randint(1, max(1, num_steps // 4))
        run.wait_for(lambda: last_row(run.workdir) >= goal)
    else:
        for _ in range(rng.randint(1, 3)):
            run.wait_for(lambda: not half_written(run.workdir) - left)
            run.wait_for(lambda: half_written(run.workdir) - left)
        time.sleep(rng.uniform(0.0, 0.03))
    if half_written(run.workdir) - left:
        during = "save"
    else:
        during = "after a save" if moment == "save" else moment
    if run.process.poll() is not None:
        return "the end", "none", run.finish()
    if number == signal.SIGKILL:
        run.kill()
        return during, "SIGKILL", 0
    run.process.send_signal(signal.SIGTERM)
    return during, "SIGTERM", run.finish()


def survive(command: list[str], *, kills: int, seed: int, interval: int, num_steps: int) -> bool:
    """Runs the whole test; prints what happened; returns whether all is well."""
    from tests.training.runs import arrays_of, same, steps_saved, without_timing

    rng = random.Random(seed)
    fine = True
    seen: collections.Counter = collections.Counter()
    with tempfile.TemporaryDirectory() as folder:
        whole, killed = pathlib.Path(folder) / "whole", pathlib.Path(folder) / "killed"
        log = pathlib.Path(folder) / "log"

        def check(holds: bool, what: str) -> None:
            nonlocal fine
            if not holds:
                fine = False
                print(f"FAILS: {what}\n{log.read_text()[-2000:]}")

        code = Run(command, whole, log).finish()
        check(code == 0, f"the run that is left alone exits with {code}")
        for kill in range(kills):
            before = steps_saved(killed)
            run = Run(command, killed, log)
            during, how, code = end_somewhere(run, rng, num_steps)
            saved, reached = steps_saved(killed), last_row(killed)
            newest = saved[-1] if saved else 0
            seen[during, how] += 1
            print(f"kill {kill + 1}: {how} during {during}; step {reached}, saved {newest}")
            check(newest >= max(before, default=0), f"checkpoints {before} became {saved}")
            # With a save under way the one before it counts, and steps go on meanwhile; the next
            # save waits for it, so that they are fewer than an interval.
            allowed = 2 * interval if half_written(killed) else interval
            if how != "none":
                check(reached - newest <= allowed, f"lost {reached - newest} steps")
            if how == "SIGTERM":
                check(code == 0 and newest == reached, f"SIGTERM: exit {code}, lost steps")
            check(not saved or bool(arrays_of(killed)), "the newest checkpoint cannot be read")
            if reached >= num_steps and newest >= num_steps:
                print("the run is over before all kills are used up")
                break
        code = Run(command, killed, log).finish()
        check(code == 0, f"the last run exits with {code}")
        if fine:
            check(same(arrays_of(whole), arrays_of(killed)), "last checkpoints differ")
            check(without_timing(whole) == without_timing(killed), "metrics differ")
    print(", ".join(f"{count} x {how} during {when}" for (when, how), count in seen.items()))
    print("survives, equals" if fine else "FAILS")
    return fine


def main() -> int:
    from absl import flags
    from ml_collections import config_flags

    config_flags.DEFINE_config_file("config", help_string="The config file.")
    flags.DEFINE_integer("seed", 0, "Of the moments.")
    flags.DEFINE_integer("kills", 10, "How often it is ended.")
    flags.DEFINE_integer("steps", 60, "Steps to train.")
    flags.DEFINE_integer("interval", 5, "Steps from checkpoint to checkpoint.")
    flags.DEFINE_string("module", "gif2video_jax.training.train", "The training command.")
    flags.mark_flag_as_required("config")
    try:
        flags.FLAGS(sys.argv)
    except (flags.Error, AttributeError, KeyError, OSError) as error:
        sys.exit(f"survive: {error}; the head of this file has an example")
    values = flags.FLAGS
    config = values.config
    # Values of the command line and ours, in a config file of its own.
    fields = json.loads(config.to_json_best_effort()) | {
        "num_steps": values.steps,
        "log_every": 1,
        "evaluate_every": 7,
        "checkpoint_every_seconds": 1e9,
        "checkpoint_every_steps": values.interval,
    }
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "config.py"
        path.write_text(
            "import json\n\nimport ml_collections\n\n\ndef get_config():\n"
            f"    return ml_collections.ConfigDict(json.loads({json.dumps(fields)!r}))\n"
        )
        # Every start compiles the same steps: keep them.
        os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", os.path.join(folder, "compiled"))
        os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
        command = [sys.executable, "-m", values.module, f"--config={path}"]
        fine = survive(
            command,
            kills=values.kills,
            seed=values.seed,
            interval=values.interval,
            num_steps=values.steps,
        )
    return int(not fine)


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    sys.exit(main())
