"""The command as a user meets it: progress, exit codes, and one line for each mistake."""

import json
import os
import pathlib
import signal
import socket
import subprocess
import sys

import numpy as np
import pytest

from tests.training import toy
from tests.training.runs import arrays_of, rows, same, steps_saved, without_timing
from tests.training.small_configs import small_config, write_config

ROOT = pathlib.Path(__file__).parents[2]
ENVIRONMENT = os.environ | {"JAX_PLATFORMS": "cpu", "PYTHONPATH": str(ROOT)}


def start(
    *arguments: str, module: str = "tests.training.toy", file_size: int | None = None
) -> subprocess.Popen:
    """The training command, with the toy task.

    With a `file_size`, no file grows beyond so many bytes: what a full disk is like, without one.
    """
    limit = file_size and f"resource.setrlimit(resource.RLIMIT_FSIZE, ({file_size},) * 2);"
    script = f"import os, resource, sys; {limit or ''} os.execv(sys.executable, sys.argv[1:])"
    return subprocess.Popen(
        [sys.executable, "-c", script, sys.executable, "-m", module, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=ENVIRONMENT,
    )


def finish(process: subprocess.Popen) -> tuple[int, list[str]]:
    """Exit code and lines of standard error; nothing is on standard output."""
    output, errors = process.communicate(timeout=300)
    # Collectives of the CPU, with several processes, say hello.
    assert [line for line in output.splitlines() if not line.startswith("[Gloo]")] == []
    return process.returncode, errors.splitlines()


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    path = tmp_path_factory.mktemp("config") / "config.py"
    return write_config(path, json.loads(toy.get_config().to_json()))


def test_progress_is_told_and_sigterm_saves_and_exits_0(config, tmp_path):
    """Then the same command goes on, and ends as a run that was never stopped."""
    arguments = [f"--config={config}", "--config.num_steps=4000", "--config.log_every=1"]
    stopped = start(*arguments, f"--workdir={tmp_path / 'run'}")
    for line in stopped.stderr:
        if "steps/s" in line:
            break
    stopped.send_signal(signal.SIGTERM)
    code, lines = finish(stopped)
    assert code == 0, lines
    (saved,) = steps_saved(tmp_path / "run")
    assert 1 <= saved < 4000
    assert f"stopped at step {saved}, which is saved" in lines[-1]
    assert all("step" in line for line in lines), lines
    assert rows(tmp_path / "run")[-1]["step"] == saved
    arguments[1] = f"--config.num_steps={saved + 20}"
    both = [start(*arguments, f"--workdir={tmp_path / name}") for name in ("run", "whole")]
    for process in both:
        code, lines = finish(process)
        assert code == 0, lines
    assert "resumed" not in lines[0] and "4 parameters" in lines[0]
    assert same(arrays_of(tmp_path / "run"), arrays_of(tmp_path / "whole"))
    assert [r for r in without_timing(tmp_path / "run") if r["step"] > saved] == [
        r for r in without_timing(tmp_path / "whole") if r["step"] > saved
    ]


def test_each_mistake_is_one_line_and_exit_code_1(config, tmp_path):
    """All at once, for most of their time is the start of Python."""
    corpus = tmp_path / "none.zip"
    real = write_config(tmp_path / "real.py", small_config(str(corpus)))
    broken = tmp_path / "broken.py"
    broken.write_text("def get_config(:\n")
    (tmp_path / "lock").mkdir()
    run = f"--workdir={tmp_path / 'run'}"
    real_module = {"module": "gif2video_jax.training.train"}
    cases = {
        "give --config and --workdir: python -m gif2video_jax.training.train --config=FILE": start(
            **real_module
        ),
        "give --workdir: python": start(f"--config={config}"),
        "--config: there is no such file: no_such.py": start("--config=no_such.py", run),
        "SyntaxError": start(f"--config={broken}", run),
        "the config has no such field": start(f"--config={config}", run, "--config.colour=3"),
        f"{corpus}: no such packed corpus": start(f"--config={real}", run, **real_module),
        "cannot write to this --workdir": start(f"--config={config}", f"--workdir={tmp_path}"),
        "give --coordinator, --num_processes and --process_id together": start(
            f"--config={config}", run, "--num_processes=2"
        ),
        "config.data.examples_per_batch": start(
            f"--config={config}", run, "--config.data.examples_per_batch=0"
        ),
    }
    for wanted, process in cases.items():
        code, lines = finish(process)
        assert code == 1, (wanted, lines)
        assert len(lines) == 1 and lines[0].startswith("train: "), (wanted, lines)
        assert wanted in lines[0], (wanted, lines)


@pytest.mark.parametrize(
    ("size", "wanted"),
    [(100, "cannot be written"), (1500, "a checkpoint could not be saved")],
)
def test_a_full_disk_is_one_line_and_keeps_the_checkpoints(config, tmp_path, size, wanted):
    """First room for a run of one step, then files that may only be small."""
    workdir = f"--workdir={tmp_path / 'run'}"
    code, lines = finish(start(f"--config={config}", workdir, "--config.num_steps=1"))
    assert code == 0, lines
    before = arrays_of(tmp_path / "run", 1)
    code, lines = finish(
        start(
            f"--config={config}",
            workdir,
            "--config.log_every=1000",
            "--config.evaluate_every=1000",
            file_size=size,
        )
    )
    assert code == 1 and wanted in lines[-1], lines
    assert lines[-1].startswith("train: ") and "File too large" in lines[-1]
    assert not any("Traceback" in line for line in lines), lines
    assert steps_saved(tmp_path / "run") == [1]
    assert same(arrays_of(tmp_path / "run", 1), before)
    code, lines = finish(start(f"--config={config}", workdir))
    assert code == 0 and steps_saved(tmp_path / "run")[-1] == 8, lines


def test_a_second_run_is_refused_until_the_first_is_gone(config, tmp_path):
    """However it went: here by SIGKILL."""
    arguments = [f"--config={config}", f"--workdir={tmp_path}", "--config.num_steps=100000"]
    first = start(*arguments)
    for line in first.stderr:
        if "steps/s" in line:
            break
    code, lines = finish(start(*arguments))
    assert code == 1 and len(lines) == 1
    assert f"another run is training there (process {first.pid} on " in lines[0]
    first.kill()
    first.communicate()
    code, lines = finish(start(*arguments[:2], "--config.num_steps=1"))
    assert code == 0, lines


def two_processes(*arguments: str, last: tuple[str, ...] = ()) -> list[subprocess.Popen]:
    """The command in two processes of one device each; the second with arguments of its own."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        address = f"--coordinator=localhost:{free.getsockname()[1]}"
    joining = (address, "--num_processes=2")
    return [
        start(*arguments, *joining, "--process_id=0"),
        start(*arguments, *joining, "--process_id=1", *last),
    ]


@pytest.mark.long
def test_a_signal_to_one_of_two_processes_stops_both_after_the_same_step(config, tmp_path):
    """And both go on to what one process alone comes to."""
    arguments = [f"--config={config}", f"--workdir={tmp_path / 'two'}"]
    first, second = two_processes(*arguments, "--config.num_steps=100000")
    for line in first.stderr:
        if "steps/s" in line:
            break
    second.send_signal(signal.SIGTERM)
    assert [finish(process)[0] for process in (first, second)] == [0, 0]
    (saved,) = steps_saved(tmp_path / "two")
    assert saved % 10 == 0 and rows(tmp_path / "two")[-1]["step"] == saved
    steps = f"--config.num_steps={saved + 7}"
    assert [finish(process)[0] for process in two_processes(*arguments, steps)] == [0, 0]
    code, lines = finish(start(f"--config={config}", f"--workdir={tmp_path / 'one'}", steps))
    assert code == 0, lines
    alone, together = arrays_of(tmp_path / "one"), arrays_of(tmp_path / "two")
    for name in ("params/layer/w", "average/layer/bias", "model_state/mean", "extra/pool"):
        np.testing.assert_allclose(together[name], alone[name], atol=1e-5)


@pytest.mark.long
def test_where_one_process_cannot_start_none_does(config, tmp_path):
    arguments = (f"--config={config}", f"--workdir={tmp_path / 'run'}")
    first, second = two_processes(*arguments, last=("--config.rate_kind=unknown",))
    code, lines = finish(first)
    assert code == 1 and lines[-1] == "train: another process could not start; see what it says"
    code, lines = finish(second)
    assert code == 1 and "config: rate_kind: expected one of constant" in lines[-1]
