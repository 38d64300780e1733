"""The command as a user meets it: progress, exit codes, and one line for each mistake."""

import asyncio
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys

import numpy as np
import pytest
import tensorstore
from absl import flags

from gif2video_jax.errors import InputError
from gif2video_jax.training.command import define_flags, report_dropped
from gif2video_jax.training.command import parse as parse_flags
from gif2video_jax.training.train import train
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


@pytest.fixture
def toy_task(monkeypatch):
    """The toy task in this process too."""
    monkeypatch.setitem(toy.tasks.TASKS, "toy", toy.ToyTask)
    monkeypatch.setitem(toy.feeding.EXAMPLES, "toy", toy.ToyExamples)


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    path = tmp_path_factory.mktemp("config") / "config.py"
    return write_config(path, json.loads(toy.get_config().to_json()))


def test_progress_is_told_and_sigterm_saves_and_exits_0(config, tmp_path, toy_task):
    """Then the run goes on, and ends as one that was never stopped."""
    stopped = start(
        f"--config={config}",
        "--config.num_steps=100000",
        "--config.evaluate_every=1000",
        f"--workdir={tmp_path / 'run'}",
    )
    for line in stopped.stderr:
        if "steps/s" in line:
            break
    stopped.send_signal(signal.SIGTERM)
    code, lines = finish(stopped)
    assert code == 0, lines
    (saved,) = steps_saved(tmp_path / "run")
    assert 1 <= saved < 100000
    assert f"stopped at step {saved}, which is saved" in lines[-1]
    assert all("step" in line for line in lines), lines
    assert rows(tmp_path / "run")[-1]["step"] == saved
    for name in ("run", "whole"):
        train(toy.get_config(num_steps=saved + 20, evaluate_every=1000), str(tmp_path / name))
    assert same(arrays_of(tmp_path / "run"), arrays_of(tmp_path / "whole"))
    assert without_timing(tmp_path / "run")[:saved] == without_timing(tmp_path / "whole")[:saved]


def test_a_mistake_is_one_line_and_exit_code_1(tmp_path):
    """The command itself; its ways to say so are in the tests of what raises the errors."""
    corpus = tmp_path / "none.zip"
    config = write_config(tmp_path / "real.py", small_config(str(corpus)))
    arguments = (f"--config={config}", f"--workdir={tmp_path / 'run'}")
    code, lines = finish(start(*arguments, module="gif2video_jax.training.train"))
    assert code == 1 and len(lines) == 1, lines
    assert lines[0].startswith(f"train: {corpus}: no such packed corpus")


def parse(capsys, monkeypatch, *arguments: str) -> str:
    """What is said about bad flags; the exit code is 1."""
    values = flags.FlagValues()
    define_flags(values)
    monkeypatch.setattr(sys, "argv", ["train", *arguments])  # where the config's fields are read
    with pytest.raises(SystemExit) as caught:
        parse_flags(sys.argv, values)
    assert caught.value.code == 1
    said = capsys.readouterr().err
    assert said.startswith("train: ") and said.count("\n") == 1
    return said


@pytest.mark.filterwarnings("ignore:the load_module:DeprecationWarning")
def test_bad_flags_and_bad_config_files_are_one_line(config, tmp_path, capsys, monkeypatch):
    broken = tmp_path / "broken.py"
    broken.write_text("def get_config(:\n")
    run = f"--workdir={tmp_path / 'run'}"
    cases = {
        "give --config and --workdir: python -m gif2video_jax.training.train --config=FILE": (),
        "give --workdir: python": (f"--config={config}",),
        "--config: there is no such file: no_such.py": ("--config=no_such.py", run),
        "SyntaxError": (f"--config={broken}", run),
        "the config has no such field": (f"--config={config}", run, "--config.colour=3"),
        "Unknown command line flag": (f"--config={config}", run, "--colour=3"),
        "num_steps": (f"--config={config}", run, "--config.num_steps=many"),
    }
    for wanted, arguments in cases.items():
        assert wanted in parse(capsys, monkeypatch, *arguments)


@pytest.mark.filterwarnings("ignore:the load_module:DeprecationWarning")
def test_good_flags_are_read(config, tmp_path, monkeypatch):
    values = flags.FlagValues()
    define_flags(values)
    arguments = ["train", f"--config={config}", f"--workdir={tmp_path}", "--config.num_steps=5"]
    monkeypatch.setattr(sys, "argv", arguments)
    assert parse_flags(arguments, values) == ["train"]
    assert values.config.num_steps == 5 and values.workdir == str(tmp_path)


@pytest.mark.parametrize(
    ("size", "wanted"),
    [
        pytest.param(100, "cannot be written", marks=pytest.mark.long),
        (1500, "a checkpoint could not be saved"),
    ],
)
def test_a_full_disk_is_one_line_and_keeps_the_checkpoints(
    config, tmp_path, toy_task, size, wanted
):
    """First room for a run of one step, then files that may only be small."""
    workdir = tmp_path / "run"
    train(toy.get_config(num_steps=1), str(workdir))
    before = arrays_of(workdir, 1)
    quiet = ("--config.log_every=1000", "--config.evaluate_every=1000")
    code, lines = finish(
        start(f"--config={config}", f"--workdir={workdir}", *quiet, file_size=size)
    )
    assert code == 1 and wanted in lines[-1], lines
    assert lines[-1].startswith("train: ") and "File too large" in lines[-1]
    assert not any("Traceback" in line for line in lines), lines
    assert steps_saved(workdir) == [1]
    assert same(arrays_of(workdir, 1), before)
    train(toy.get_config(), str(workdir))
    assert steps_saved(workdir)[-1] == 8


def test_threads_that_write_arrays_do_not_echo_a_failed_save(monkeypatch, capsys):
    """TensorStore itself, done with two arrays after the loop that awaits them is closed."""
    promises, arrays = zip(*(tensorstore.Promise.new() for _ in range(2)), strict=True)

    async def wait():
        return [array.__await__() for array in arrays]

    loop = asyncio.new_event_loop()
    loop.run_until_complete(wait())
    loop.close()
    monkeypatch.setattr(sys, "unraisablehook", report_dropped)
    for promise in promises:
        promise.set_result(None)
    assert capsys.readouterr().err == ""


def test_other_dropped_exceptions_are_reported(monkeypatch, capsys):
    class Broken:
        def __del__(self):
            raise RuntimeError("no such loop")

    monkeypatch.setattr(sys, "unraisablehook", report_dropped)
    broken = Broken()
    del broken
    assert "RuntimeError: no such loop" in capsys.readouterr().err


def test_a_second_run_is_refused_until_the_first_is_gone(config, tmp_path, toy_task):
    """However it went: here by SIGKILL."""
    first = start(f"--config={config}", f"--workdir={tmp_path}", "--config.num_steps=1000000")
    for line in first.stderr:
        if "steps/s" in line:
            break
    with pytest.raises(InputError, match=f"another run is training there .process {first.pid} on"):
        train(toy.get_config(), str(tmp_path))
    first.kill()
    first.communicate()
    train(toy.get_config(num_steps=1), str(tmp_path))
    assert steps_saved(tmp_path) == [1]


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
