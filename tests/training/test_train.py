"""The loop and the shipped configs, shrunk, on miniature data."""

import contextlib
import importlib.util
import itertools
import json
import os
import pathlib
import signal
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental.compilation_cache import compilation_cache

from gif2video_jax.errors import InputError
from gif2video_jax.pretrained import load_network
from gif2video_jax.training import train as training
from gif2video_jax.training.checkpoints import Checkpoints, abstract
from gif2video_jax.training.export import export
from gif2video_jax.training.tasks import make_task
from tests.training.miniature_corpus import write_corpus

ROOT = pathlib.Path(__file__).parents[2]
CONFIGS = sorted(path.name for path in (ROOT / "configs").glob("default_*.py"))
DEQUANTIZER = "default_dequantizer.py"


@pytest.fixture(scope="module")
def corpus_path(tmp_path_factory):
    return str(write_corpus(tmp_path_factory.mktemp("corpus") / "corpus.zip", size=(80, 90)))


@pytest.fixture(scope="module", autouse=True)
def compile_once(tmp_path_factory):
    """Most of the time here is compiling the same steps again: keep them on disk meanwhile."""
    values = {
        "jax_compilation_cache_dir": str(tmp_path_factory.mktemp("compiled")),
        "jax_persistent_cache_min_compile_time_secs": 0.0,
    }
    before = {name: getattr(jax.config, name) for name in values}
    for name, value in values.items():
        jax.config.update(name, value)
    compilation_cache.reset_cache()
    yield
    for name, value in before.items():
        jax.config.update(name, value)
    compilation_cache.reset_cache()


def shrunk(name: str, corpus_path: str, **fields):
    """A shipped config with few channels and stages, small patches and a run of a few steps."""
    spec = importlib.util.spec_from_file_location(name[:-3], ROOT / "configs" / name)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    config = module.get_config()
    unet = config.model.unet
    stages = 2
    unet.stage_channels = tuple(4 + 2 * i for i in range(stages))
    unet.kernel_sizes = unet.kernel_sizes[:stages]
    unet.up_channels = unet.stage_channels[-2::-1]
    config.data.corpus = corpus_path
    config.data.examples_per_batch = 1
    if config.task == "interpolation":
        config.data.size = 32 if "stem_factor" not in unet else 64
        config.data.num_times = 1
    else:
        config.data.patch_size = 32
        config.data.patches_per_frame = 2
        config.data.recipe = "16/median_cut/none"
        config.data.drawn_share = 0.0
    config.optimizer.warmup_steps = 0
    config.update(
        {
            "num_steps": 4,
            "num_workers": 0,
            "validation_batches": 1,
            "log_every": 1,
            "evaluate_every": 1000,
            "checkpoint_every_seconds": 1e9,
        }
        | fields
    )
    return config


def arrays_of(workdir, config) -> list[np.ndarray]:
    """Every array of the newest checkpoint."""
    replicated, by_example = training.shardings()
    batch = next(training.make_batches(config, "train", start=0, num_workers=0))
    init = jax.jit(make_task(config).init, out_shardings=replicated)
    like = abstract(init(jax.random.key(0), training.put(batch, by_example)))
    with contextlib.closing(Checkpoints(workdir, reading=True)) as checkpoints:
        return [np.asarray(leaf) for leaf in jax.tree.leaves(checkpoints.restore(like))]


def rows(workdir) -> list[dict]:
    return [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]


def same(one: list[np.ndarray], two: list[np.ndarray]) -> bool:
    assert len(one) == len(two)
    return all(a.tobytes() == b.tobytes() for a, b in zip(one, two, strict=True))


@pytest.fixture(scope="module")
def finished(corpus_path, tmp_path_factory):
    """A run of four steps that was never stopped."""
    workdir = tmp_path_factory.mktemp("run") / "whole"
    return workdir, training.train(shrunk(DEQUANTIZER, corpus_path), str(workdir))


@pytest.mark.parametrize("name", CONFIGS)
def test_a_shipped_config_lowers_its_loss_on_one_repeated_batch(name, corpus_path):
    config = shrunk(name, corpus_path)
    config.optimizer.schedule = "constant"
    _, by_example = training.shardings()
    batch = training.put(
        next(training.make_batches(config, "train", start=0, num_workers=0)), by_example
    )
    task = make_task(config)
    state = jax.jit(task.init)(jax.random.key(0), batch)
    step = jax.jit(task.step, donate_argnums=0)
    losses = []
    for _ in range(12):
        state, metrics = step(state, batch)
        losses.append(float(metrics["loss"]))
    assert np.isfinite(losses).all()
    assert np.mean(losses[-3:]) < 0.97 * losses[0]
    evaluated = jax.jit(task.evaluate)(state, batch)
    assert all(np.isfinite(float(value)) for value in evaluated.values())


def test_a_run_leaves_metrics_its_config_and_a_checkpoint(finished, corpus_path):
    workdir, results = finished
    logged = [row for row in rows(workdir) if "loss" in row]
    assert [row["step"] for row in logged] == [1, 2, 3, 4]
    assert rows(workdir)[-1] == {"step": 4} | results
    assert set(results) == {"validation_psnr", "validation_gain"}
    stored = json.loads((workdir / "config.json").read_text())
    assert stored["task"] == "dequantization" and stored["data"]["corpus"] == corpus_path
    with contextlib.closing(Checkpoints(workdir, reading=True)) as checkpoints:
        assert checkpoints.latest_step == 4


def test_a_resumed_run_is_bit_for_bit_one_never_stopped(
    finished, corpus_path, tmp_path, monkeypatch
):
    """SIGTERM in the middle of a step; then the same command again."""
    whole, results = finished
    config = shrunk(DEQUANTIZER, corpus_path)
    original = training.put
    puts = itertools.count()

    def put_then_sigterm(batch, sharding):
        # The first makes the parameters, the second is for validation, then one a step.
        if next(puts) == 3:
            os.kill(os.getpid(), signal.SIGTERM)
        return original(batch, sharding)

    with monkeypatch.context() as patched:
        patched.setattr(training, "put", put_then_sigterm)
        assert training.train(config, str(tmp_path)) == {}
    with contextlib.closing(Checkpoints(tmp_path, reading=True)) as checkpoints:
        assert checkpoints.latest_step == 2
    assert training.train(config, str(tmp_path)) == results
    assert same(arrays_of(tmp_path, config), arrays_of(whole, config))
    timing = ("steps_per_second", "input_wait_share")
    one, two = (
        [{k: v for k, v in row.items() if k not in timing} for row in rows(path)]
        for path in (tmp_path, whole)
    )
    assert one == two


def test_a_run_that_saves_at_each_step_ends_alike(finished, corpus_path, tmp_path):
    """Asynchronous saving, while steps give their buffers away, and no save is left out."""
    config = shrunk(DEQUANTIZER, corpus_path, checkpoint_every_seconds=0.0)
    training.train(config, str(tmp_path))
    assert sorted(os.listdir(tmp_path / "checkpoints")) == ["3", "4"]
    assert same(arrays_of(tmp_path, config), arrays_of(finished[0], config))


def test_a_finished_run_is_only_evaluated_again(finished, corpus_path):
    workdir, results = finished
    before = len(rows(workdir))
    assert training.train(shrunk(DEQUANTIZER, corpus_path), str(workdir)) == results
    assert len(rows(workdir)) == before


@pytest.mark.parametrize("log_every", [1, 1000])
def test_nan_stops_the_run_and_is_never_saved(corpus_path, tmp_path, log_every):
    config = shrunk(DEQUANTIZER, corpus_path, log_every=log_every)
    config.optimizer.learning_rate = float("inf")
    with pytest.raises(FloatingPointError) as caught:
        training.train(config, str(tmp_path))
    message = str(caught.value)
    assert "not finite" in message and "l1 nan" in message and str(tmp_path) in message
    assert "there is no checkpoint yet" in message and "\n" not in message
    assert os.listdir(tmp_path / "checkpoints") == []


def test_nan_names_the_last_good_checkpoint(finished, corpus_path, tmp_path):
    with contextlib.closing(Checkpoints(tmp_path)) as checkpoints:
        checkpoints.save(7, {"a": jnp.zeros(2)})
        metrics = {"loss": jnp.array(1.0), "gradient_norm": jnp.array(jnp.nan)}
        with pytest.raises(FloatingPointError, match="step 9: .*the last good one is step 7"):
            training.check_finite(metrics, 9, checkpoints)


def test_a_checkpoint_of_another_model_is_named(finished, corpus_path):
    workdir = str(finished[0])
    other = shrunk(DEQUANTIZER, corpus_path, num_steps=5)
    other.model.unet.negative_slope = 0.2
    with pytest.raises(InputError) as caught:
        training.train(other, workdir)
    message = str(caught.value)
    assert "config.model.unet.negative_slope was 0.1 and is 0.2" in message
    assert workdir in message and "\n" not in message


def test_a_checkpoint_of_another_task_is_named(finished, corpus_path):
    with pytest.raises(InputError, match="config.task was 'dequantization' and is 'interp"):
        training.train(shrunk("default_interpolator.py", corpus_path), str(finished[0]))


def test_a_checkpoint_of_other_arrays_is_named_without_a_stored_config(tmp_path):
    with contextlib.closing(Checkpoints(tmp_path)) as checkpoints:
        checkpoints.save(1, {"a": jnp.zeros(2), "b": jnp.zeros(3)})
    sharding = training.shardings()[0]
    for like in (
        {"a": jax.ShapeDtypeStruct((2,), jnp.float32, sharding=sharding)},
        {k: jax.ShapeDtypeStruct((5,), jnp.float32, sharding=sharding) for k in "ab"},
    ):
        with contextlib.closing(Checkpoints(tmp_path, reading=True)) as checkpoints:
            with pytest.raises(InputError, match="step 1 does not fit this config") as caught:
                checkpoints.restore(like)
            assert "\n" not in str(caught.value)


def test_a_higher_step_of_another_run_is_never_overtaken(tmp_path):
    with contextlib.closing(Checkpoints(tmp_path)) as ours:
        ours.save(1, {"a": jnp.zeros(2)})
        ours.wait()  # who opens a directory tidies up what looks half written
        with contextlib.closing(Checkpoints(tmp_path)) as other:
            other.save(10, {"a": jnp.ones(2)})
        for step in (5, 10):
            with pytest.raises(InputError, match=f"cannot save step {step}: step 10 is there"):
                ours.save(step, {"a": jnp.zeros(2)})


def test_the_workdir_that_cannot_be_made_is_named(corpus_path, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="file/run: cannot make this --workdir"):
        training.train(shrunk(DEQUANTIZER, corpus_path), str(tmp_path / "file" / "run"))


def test_mistakes_in_the_config_are_input_errors(corpus_path, tmp_path):
    with pytest.raises(InputError, match="config: task: expected one of"):
        training.train(shrunk(DEQUANTIZER, corpus_path, task="guessing"), str(tmp_path))
    config = shrunk(DEQUANTIZER, corpus_path)
    config.optimizer.schedule = "linear"
    with pytest.raises(InputError, match="config: schedule: expected one of"):
        training.train(config, str(tmp_path))


def test_a_run_starts_from_the_averaged_parameters_of_another(finished, corpus_path, tmp_path):
    config = shrunk(DEQUANTIZER, corpus_path, num_steps=1, initial_checkpoint=str(finished[0]))
    config.optimizer.learning_rate = 0.0
    training.train(config, str(tmp_path))
    replicated, by_example = training.shardings()
    batch = next(training.make_batches(config, "train", start=0, num_workers=0))
    init = jax.jit(make_task(config).init, out_shardings=replicated)
    like = abstract(init(jax.random.key(0), training.put(batch, by_example)))
    states = []
    for workdir in (finished[0], tmp_path):
        with contextlib.closing(Checkpoints(workdir, reading=True)) as checkpoints:
            states.append(checkpoints.restore(like))
    leaves = [jax.tree.leaves(tree) for tree in (states[0].average, states[1].params)]
    assert same(*[[np.asarray(leaf) for leaf in tree] for tree in leaves])


def test_a_start_without_a_checkpoint_is_named(corpus_path, tmp_path):
    config = shrunk(DEQUANTIZER, corpus_path, initial_checkpoint=str(tmp_path / "nothing"))
    with pytest.raises(InputError, match="nothing: no checkpoint there"):
        training.train(config, str(tmp_path / "run"))
    assert not (tmp_path / "nothing").exists()


def write_config(path: pathlib.Path, config) -> str:
    """A config file with the values of a shrunk config."""
    path.write_text(
        "import json\n\nimport ml_collections\n\n\ndef get_config():\n"
        f"    return ml_collections.ConfigDict(json.loads({config.to_json()!r}))\n"
    )
    return str(path)


def test_an_exported_network_has_the_averaged_parameters(finished, corpus_path, tmp_path):
    workdir = finished[0]
    config = shrunk(DEQUANTIZER, corpus_path)
    path = write_config(tmp_path / "config.py", config)
    output = str(tmp_path / "network.safetensors")
    step = export(path, str(workdir), output, dtype="float32", about={"data": "miniature"})
    network = load_network(output)
    assert step == 4 and network.about == {"steps": 4, "data": "miniature"}
    replicated, by_example = training.shardings()
    batch = training.put(
        next(training.make_batches(config, "validation", start=0, num_workers=0)), by_example
    )
    init = jax.jit(make_task(config).init, out_shardings=replicated)
    like = abstract(init(jax.random.key(0), batch))
    with contextlib.closing(Checkpoints(workdir, reading=True)) as checkpoints:
        state = checkpoints.restore(like)
    wanted, found = (
        dict(jax.tree_util.tree_leaves_with_path(tree))
        for tree in (state.average, network.variables["params"])
    )
    assert found.keys() == wanted.keys()
    for name, leaf in wanted.items():
        np.testing.assert_array_equal(found[name], leaf, err_msg=str(name))
    unlike = [np.array_equal(a, b) for a, b in zip(
        jax.tree.leaves(state.params), jax.tree.leaves(state.average), strict=True
    )]
    assert not all(unlike)


def test_exporting_an_unknown_run_is_one_line(corpus_path, tmp_path):
    path = write_config(tmp_path / "config.py", shrunk(DEQUANTIZER, corpus_path))
    with pytest.raises(InputError, match="nowhere: no checkpoint there"):
        export(path, str(tmp_path / "nowhere"), str(tmp_path / "o"), dtype="float32", about={})
    with pytest.raises(InputError, match="none.py: not a config file"):
        export(str(tmp_path / "none.py"), str(tmp_path), "o", dtype="float32", about={})


def command(*arguments: str) -> subprocess.CompletedProcess:
    environment = os.environ | {"JAX_PLATFORMS": "cpu", "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-m", "gif2video_jax.training.train", *arguments],
        capture_output=True,
        text=True,
        env=environment,
        timeout=300,
    )


def test_the_command_says_what_is_wrong_in_one_line(tmp_path):
    config = str(ROOT / "configs" / DEQUANTIZER)
    missing = tmp_path / "none.zip"
    done = command(
        f"--config={config}", f"--workdir={tmp_path / 'run'}", f"--config.data.corpus={missing}"
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(f"train: {missing}: no such packed corpus")
    assert len(done.stderr.splitlines()) == 1 and not done.stdout


def test_the_command_tells_its_own_progress_only(corpus_path, tmp_path):
    path = write_config(tmp_path / "config.py", shrunk(DEQUANTIZER, corpus_path, num_steps=2))
    done = command(f"--config={path}", f"--workdir={tmp_path / 'run'}")
    assert done.returncode == 0, done.stderr
    lines = done.stderr.splitlines()
    assert len(lines) == 3 and all("loss" in line or "psnr" in line for line in lines), lines
