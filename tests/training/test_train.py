"""The loop, with a task that compiles in no time: what it keeps, where it stops, how it goes on."""

import contextlib
import itertools
import json
import os
import signal
import threading

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from gif2video_jax.errors import InputError
from gif2video_jax.training import feeding
from gif2video_jax.training.checkpoints import Checkpoints
from gif2video_jax.training.health import Health
from gif2video_jax.training.train import train
from gif2video_jax.training.workdir import hold_workdir
from tests.training import toy
from tests.training.runs import (
    arrays_of,
    compiled_programs_in,
    rows,
    same,
    steps_saved,
    without_timing,
)


@pytest.fixture(scope="module", autouse=True)
def compile_once(tmp_path_factory):
    """Most of the time here is compiling the same steps again: keep them on disk meanwhile."""
    with compiled_programs_in(tmp_path_factory.mktemp("compiled")):
        yield


@pytest.fixture(autouse=True)
def toy_task(monkeypatch):
    monkeypatch.setitem(toy.tasks.TASKS, "toy", toy.ToyTask)
    monkeypatch.setitem(toy.feeding.EXAMPLES, "toy", toy.ToyExamples)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run of eight steps that was never stopped."""
    workdir = tmp_path_factory.mktemp("run") / "whole"
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(toy.tasks.TASKS, "toy", toy.ToyTask)
        patch.setitem(toy.feeding.EXAMPLES, "toy", toy.ToyExamples)
        return workdir, train(toy.get_config(), str(workdir))


def sigterm_at_batch(monkeypatch, number: int) -> None:
    """SIGTERM while the loop waits for batch `number` of all that it uses.

    The first makes the parameters, then comes one a step, but for those of validation. Batches that
    the loop's thread puts on the devices ahead of time are counted when they are used.
    """
    put, take, uses = feeding.put, feeding.Batches.next, itertools.count()

    def sigterm():
        if next(uses) == number:
            os.kill(os.getpid(), signal.SIGTERM)

    def put_and_sigterm(batch, sharding):
        if threading.current_thread() is threading.main_thread():
            sigterm()
        return put(batch, sharding)

    def take_and_sigterm(batches, step, decisions):
        sigterm()
        return take(batches, step, decisions)

    monkeypatch.setattr(feeding, "put", put_and_sigterm)
    monkeypatch.setattr(feeding.Batches, "next", take_and_sigterm)


def test_a_run_leaves_metrics_its_config_pictures_and_a_checkpoint(finished):
    workdir, results = finished
    logged = [row for row in rows(workdir) if "loss" in row]
    assert [row["step"] for row in logged] == list(range(1, 9))
    assert all(row["steps_per_second"] > 0 and row["input_wait_share"] >= 0 for row in logged)
    assert rows(workdir)[-1] == {"step": 8} | results and set(results) == {"validation_error"}
    stored = json.loads((workdir / "config.json").read_text())
    assert stored["task"] == "toy" and stored["seed"] == 3
    assert (workdir / "parameters.txt").read_text().splitlines()[-1].split() == ["total", "4"]
    assert steps_saved(workdir) == [8]
    pictures = sorted(os.listdir(workdir / "pictures"))
    assert pictures == ["00000004_gif_truth.png", "00000008_gif_truth.png"]
    # Four examples below each other, each four rows high; two pictures of five columns.
    with Image.open(workdir / "pictures" / pictures[0]) as picture:
        assert picture.size == (10, 16)


def test_a_checkpoint_holds_what_a_task_adds(finished):
    """The random key and the pool, as a run by hand has them."""
    config = toy.get_config()
    replicated, by_example = feeding.shardings()
    batches = feeding.make_batches(config, "train", start=0, num_workers=0)
    task, state = toy.ToyTask(config), None
    init, step = jax.jit(task.init), jax.jit(task.step)
    for batch in itertools.islice(batches, 8):
        batch = feeding.put(batch, by_example)
        if state is None:
            state = init(jax.random.key(config.seed), batch)
        state, _ = step(state, batch)
    assert state is not None
    stored = arrays_of(finished[0])
    wanted = {"key": jax.random.key_data(state.extra["key"]), "pool": state.extra["pool"]}
    for name, array in wanted.items():
        np.testing.assert_allclose(stored[f"extra/{name}"], array, rtol=1e-6)


@pytest.mark.parametrize("number", [3, 6])
def test_a_resumed_run_is_bit_for_bit_one_never_stopped(finished, tmp_path, monkeypatch, number):
    """SIGTERM in the middle of a step; then the same command again."""
    whole, results = finished
    config = toy.get_config()
    with monkeypatch.context() as patched:
        sigterm_at_batch(patched, number)
        train(config, str(tmp_path))
    stopped = steps_saved(tmp_path)[-1]
    assert 1 < stopped < 8
    assert train(config, str(tmp_path)) == results
    assert same(arrays_of(tmp_path), arrays_of(whole))
    assert without_timing(tmp_path) == without_timing(whole)


def test_a_signal_before_the_first_step_ends_the_run_with_nothing_saved(tmp_path, monkeypatch):
    sigterm_at_batch(monkeypatch, 0)
    assert train(toy.get_config(), str(tmp_path)) == {}
    assert steps_saved(tmp_path) == [] and rows(tmp_path) == []


def test_handlers_of_signals_are_given_back(finished):
    before = signal.getsignal(signal.SIGTERM)
    train(toy.get_config(), str(finished[0]))
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_run_that_saves_at_each_step_ends_alike(finished, tmp_path):
    """Asynchronous saving, while steps give their buffers away, and no save is left out."""
    config = toy.get_config(checkpoint_every_seconds=0.0)
    train(config, str(tmp_path))
    assert steps_saved(tmp_path) == [7, 8]
    assert same(arrays_of(tmp_path), arrays_of(finished[0]))


def test_saves_come_at_multiples_of_the_interval(tmp_path):
    train(toy.get_config(checkpoint_every_steps=3, keep_checkpoints=9), str(tmp_path))
    assert steps_saved(tmp_path) == [3, 6, 8]


@pytest.mark.parametrize(
    ("metric", "judge"), [("validation_error", max), ("-validation_error", min)]
)
def test_the_best_checkpoint_is_kept_beside_the_latest(tmp_path, metric, judge):
    """Two runs, the second goes on from the first, so that the best must be remembered."""
    fields = {"keep_best_metric": metric, "evaluate_every": 2, "keep_checkpoints": 1}
    fields |= {"learning_rate": 0.9, "checkpoint_every_steps": 1}
    for num_steps in (6, 16):
        train(toy.get_config(num_steps=num_steps, **fields), str(tmp_path))
        errors = {r["step"]: r["validation_error"] for r in rows(tmp_path) if len(r) == 2}
        best = judge(errors, key=lambda step: errors[step])
        assert steps_saved(tmp_path) == sorted({best, num_steps})
        with contextlib.closing(Checkpoints(tmp_path, best=metric, reading=True)) as checkpoints:
            assert checkpoints.best_step == best


def test_a_better_evaluation_is_saved_at_once(tmp_path):
    config = toy.get_config(keep_best_metric="-validation_error", evaluate_every=3)
    train(config, str(tmp_path))
    errors = {r["step"]: r["validation_error"] for r in rows(tmp_path) if len(r) == 2}
    assert min(errors, key=lambda step: errors[step]) in steps_saved(tmp_path)


def test_an_unknown_best_metric_is_named(tmp_path):
    with pytest.raises(InputError, match="best_metric: expected one of validation_error, got"):
        train(toy.get_config(keep_best_metric="-validation_loss"), str(tmp_path))


def test_a_finished_run_is_only_evaluated_again(finished):
    workdir, results = finished
    before = rows(workdir)
    assert train(toy.get_config(), str(workdir)) == results
    assert rows(workdir) == before


def test_rows_after_the_newest_checkpoint_are_taken_back(finished, tmp_path):
    """What a killed run leaves: later rows, the last one cut off."""
    config = toy.get_config()
    train(toy.get_config(num_steps=3, evaluate_every=4), str(tmp_path))
    with open(tmp_path / "metrics.jsonl", "r+") as file:
        kept = [line for line in file if "validation" not in line]
        file.seek(0)
        file.writelines([*kept, '{"step": 4, "loss": 1.0}\n', '{"step": 5, "lo'])
        file.truncate()
    train(config, str(tmp_path))
    assert without_timing(tmp_path) == without_timing(finished[0])


@pytest.mark.parametrize("log_every", [1, 1000])
def test_nan_stops_the_run_and_is_never_saved(tmp_path, log_every):
    config = toy.get_config(learning_rate=1e20, num_steps=500, log_every=log_every)
    config.checkpoint_every_steps = 1
    with pytest.raises(FloatingPointError) as caught:
        train(config, str(tmp_path))
    message = str(caught.value)
    assert "not finite" in message and str(tmp_path) in message and "\n" not in message
    assert "loss inf" in message or "loss nan" in message
    for array in arrays_of(tmp_path).values() if steps_saved(tmp_path) else ():
        assert array.dtype.kind != "f" or np.isfinite(array).all()


def test_the_first_step_that_is_not_finite_is_named(tmp_path):
    """Though the run looks only now and then."""
    config = toy.get_config(log_every=1000, evaluate_every=1000, learning_rate=float("inf"))
    with pytest.raises(FloatingPointError, match=r"^step 2: the loss or its gradient"):
        train(config, str(tmp_path))
    assert steps_saved(tmp_path) == []


def test_parameters_that_a_finite_step_ruined_are_not_saved(tmp_path):
    config = toy.get_config(checkpoint_every_steps=1, learning_rate=float("inf"))
    with pytest.raises(FloatingPointError, match="step 1: the parameters are not finite"):
        train(config, str(tmp_path))
    assert steps_saved(tmp_path) == []


def test_nan_names_the_last_good_checkpoint(tmp_path):
    with contextlib.closing(Checkpoints(tmp_path)) as checkpoints:
        checkpoints.save(7, {"a": jnp.zeros(2)})
        health = Health(checkpoints)
        health.note(8, {"loss": jnp.array(1.0), "gradient_norm": jnp.array(1.0)})
        health.note(9, {"loss": jnp.array(1.0), "gradient_norm": jnp.array(jnp.nan)})
        with pytest.raises(FloatingPointError, match="step 9: .*the last good one is step 7"):
            health.check()


def test_a_checkpoint_of_another_model_is_named(finished):
    with pytest.raises(InputError) as caught:
        train(toy.get_config(model={"bias": False}, num_steps=9), str(finished[0]))
    message = str(caught.value)
    assert "config.model.bias was True and is False" in message
    assert str(finished[0]) in message and "\n" not in message


def test_a_checkpoint_of_another_task_is_named(finished, monkeypatch):
    monkeypatch.setitem(toy.tasks.TASKS, "other", toy.ToyTask)
    monkeypatch.setitem(toy.feeding.EXAMPLES, "other", toy.ToyExamples)
    with pytest.raises(InputError, match="config.task was 'toy' and is 'other'"):
        train(toy.get_config(task="other"), str(finished[0]))


def test_a_checkpoint_of_other_arrays_is_named_without_a_stored_config(tmp_path):
    with contextlib.closing(Checkpoints(tmp_path)) as checkpoints:
        checkpoints.save(1, {"a": jnp.zeros(2), "b": jnp.zeros(3)})
    sharding = feeding.shardings()[0]
    for like in (
        {"a": jax.ShapeDtypeStruct((2,), jnp.float32, sharding=sharding)},
        {k: jax.ShapeDtypeStruct((5,), jnp.float32, sharding=sharding) for k in "ab"},
    ):
        with contextlib.closing(Checkpoints(tmp_path, reading=True)) as checkpoints:
            with pytest.raises(InputError, match="step 1 does not fit this config") as caught:
                checkpoints.restore(like)
            assert "\n" not in str(caught.value)


def test_a_higher_step_of_another_run_is_never_overtaken(tmp_path):
    """On file systems without locks."""
    with contextlib.closing(Checkpoints(tmp_path)) as ours:
        ours.save(1, {"a": jnp.zeros(2)})
        ours.wait()  # who opens a directory tidies up what looks half written
        with contextlib.closing(Checkpoints(tmp_path)) as other:
            other.save(10, {"a": jnp.ones(2)})
        for step in (5, 10):
            with pytest.raises(InputError, match=f"cannot save step {step}: step 10 is there"):
                ours.save(step, {"a": jnp.zeros(2)})


def test_a_second_run_in_a_workdir_is_refused(tmp_path):
    with hold_workdir(str(tmp_path)):
        with pytest.raises(InputError, match=f"another run is training .*process {os.getpid()}"):
            train(toy.get_config(), str(tmp_path))
    train(toy.get_config(num_steps=1), str(tmp_path))


def test_the_workdir_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="file/run: cannot make this --workdir"):
        train(toy.get_config(), str(tmp_path / "file" / "run"))


def test_the_workdir_that_cannot_be_written_to_is_named(tmp_path):
    (tmp_path / "lock").mkdir()  # an error that the superuser gets too
    with pytest.raises(InputError, match="cannot write to this --workdir .Is a directory"):
        train(toy.get_config(), str(tmp_path))


def test_mistakes_in_the_config_are_input_errors(tmp_path):
    with pytest.raises(InputError, match="config: task: expected one of"):
        train(toy.get_config(task="guessing"), str(tmp_path))
    with pytest.raises(InputError, match="config: rate_kind: expected one of"):
        train(toy.get_config(rate_kind="linear"), str(tmp_path))


def test_a_run_starts_from_the_averaged_parameters_of_another(finished, tmp_path):
    fields = {"num_steps": 1, "initial_checkpoint": str(finished[0]), "learning_rate": 0.0}
    train(toy.get_config(**fields), str(tmp_path))
    before, after = arrays_of(finished[0]), arrays_of(tmp_path)
    for name in ("layer/w", "layer/bias"):
        np.testing.assert_array_equal(after[f"params/{name}"], before[f"average/{name}"])


def test_a_start_without_a_checkpoint_is_named(tmp_path):
    config = toy.get_config(initial_checkpoint=str(tmp_path / "nothing"))
    with pytest.raises(InputError, match="nothing: no checkpoint there"):
        train(config, str(tmp_path / "run"))
    assert not (tmp_path / "nothing").exists()


def test_a_profile_is_left_on_request(tmp_path):
    train(toy.get_config(num_steps=8), str(tmp_path), profile_steps=2)
    traces = list((tmp_path / "profile").rglob("*.xplane.pb"))
    assert len(traces) == 1 and traces[0].stat().st_size > 0


class Staged(toy.ToyTask):
    """Learns nothing in its first three steps."""

    learns = False

    def at(self, step):
        return self if self.learns or step < 3 else Learning(self.config)

    def step(self, state, batch):
        after, metrics = super().step(state, batch)
        return (after if self.learns else after.replace(params=state.params)), metrics


class Learning(Staged):
    learns = True


@pytest.mark.parametrize("stopped_at", [0, 2, 5])
def test_a_task_of_two_stages_changes_in_time_resumed_or_not(tmp_path, monkeypatch, stopped_at):
    monkeypatch.setitem(toy.tasks.TASKS, "toy", Staged)
    config = toy.get_config(checkpoint_every_steps=1, keep_checkpoints=9)
    if stopped_at:
        with pytest.MonkeyPatch.context() as patch:
            sigterm_at_batch(patch, 1 + stopped_at)
            train(config, str(tmp_path))
        assert 0 < max(steps_saved(tmp_path)) < 8
    train(config, str(tmp_path))
    weights = [
        arrays_of(tmp_path, step)["params/layer/w"].tolist() for step in steps_saved(tmp_path)
    ]
    assert len(weights) == 8 and len({str(values) for values in weights}) == 6
    assert weights[0] == weights[2] != weights[3]
