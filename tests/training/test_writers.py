"""What a run tells: rows, pictures, progress, tables."""

import json

import numpy as np
import pytest
from PIL import Image

from gif2video_jax.errors import InputError
from gif2video_jax.training.writers import (
    Progress,
    Writer,
    duration,
    parameter_table,
    side_by_side,
)
from tests import oracles


def write(workdir, *, step=0, rows=(), **choice) -> list[dict]:
    """Opens a writer, writes rows of one value each, and reads the file."""
    writer = Writer(str(workdir), step=step, **({"tensorboard": False} | choice))
    for at in rows:
        writer.scalars(at, {"loss": at / 4})
    writer.close()
    path = workdir / "metrics.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_rows_are_appended_from_where_a_run_goes_on(tmp_path):
    first = write(tmp_path, rows=(1, 2, 3))
    assert first == [{"step": s, "loss": s / 4} for s in (1, 2, 3)]
    assert write(tmp_path, step=2, rows=(3, 4)) == [
        {"step": s, "loss": s / 4} for s in (1, 2, 3, 4)
    ]


@pytest.mark.parametrize("end", ["", '{"step": 9, "lo', '{"step": 9}\n', "\n", "nonsense\n[1]\n"])
def test_what_was_cut_off_or_is_no_row_is_dropped(tmp_path, end):
    whole = '{"step": 1, "loss": 0.25}\n'
    (tmp_path / "metrics.jsonl").write_text(whole + end)
    assert write(tmp_path, step=1) == [{"step": 1, "loss": 0.25}]
    assert (tmp_path / "metrics.jsonl").read_text() == whole


def test_processes_but_the_first_write_nothing(tmp_path):
    writer = Writer(str(tmp_path), step=0, active=False)
    writer.scalars(1, {"loss": 1.0})
    writer.pictures(1, {"gif": np.zeros((1, 2, 2, 3), np.float32)})
    writer.close()
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "metrics.jsonl").mkdir()
    with pytest.raises(InputError, match="metrics.jsonl: cannot be written"):
        Writer(str(tmp_path), step=0, tensorboard=False)


def test_pictures_lie_side_by_side_an_example_a_row(tmp_path):
    rng = np.random.default_rng(0)
    gif, truth = rng.uniform(-1, 1, (2, 3, 4, 5, 3)).astype(np.float32)
    writer = Writer(str(tmp_path), step=0, tensorboard=False)
    writer.pictures(120, {"gif": gif, "truth": truth})
    writer.close()
    with Image.open(tmp_path / "pictures" / "00000120_gif_truth.png") as file:
        found = np.asarray(file).astype(np.float64) / 127.5 - 1
    assert found.shape == (12, 10, 3)
    np.testing.assert_allclose(found[4:8, :5], gif[1], atol=0.5 / 127.5 + 1e-6)
    np.testing.assert_allclose(found[8:, 5:], truth[2], atol=0.5 / 127.5 + 1e-6)


def test_values_out_of_range_are_cut():
    images = np.array([-3.0, 3.0], np.float32).reshape(2, 1, 1, 1) * np.ones((1, 1, 1, 3), "f4")
    assert side_by_side([images])[:, 0].tolist() == [[0, 0, 0], [255, 255, 255]]


def test_progress_measures_rates_and_time_left():
    now = [100.0]
    progress = Progress(10, 1000, clock=lambda: now[0])
    now[0], progress.waited = 110.0, 2.5
    assert progress.measure(60) == {"steps_per_second": 5.0, "input_wait_share": 0.25}
    now[0] += 30
    progress.leave_out(20)
    rates = progress.measure(100)
    assert rates == {"steps_per_second": 4.0, "input_wait_share": 0.0}
    line = progress.line(100, {"loss": 0.123456, "l1": 2.0}, rates["steps_per_second"])
    assert line == "step 100/1000  loss 0.1235  l1 2  4 steps/s  3m45s left"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "0s"), (59.4, "59s"), (61, "1m01s"), (3600, "1h00m"), (90000, "1d01h"), (-1, "0s")],
)
def test_durations_in_words(seconds, text):
    assert duration(seconds) == text


def test_parameters_are_listed_and_counted():
    params = {"a": {"kernel": np.zeros((3, 3, 2, 1000), np.float32)}, "b": np.zeros(4, np.int32)}
    total, table = parameter_table(params)
    lines = [line.split() for line in table.splitlines()]
    assert total == 18004
    assert lines[1] == ["a/kernel", "(3,", "3,", "2,", "1000)", "float32", "18,000"]
    assert lines[-1] == ["total", "18,004"]


def test_tensorboard_gets_scalars_and_pictures(tmp_path):
    """Read back with TensorBoard's own reader."""
    oracles.require_module("tensorflow")
    oracles.require_module("clu")
    reader = oracles.require_module("tensorboard.backend.event_processing.event_accumulator")
    writer = Writer(str(tmp_path), step=0)
    writer.scalars(5, {"loss": 0.5})
    writer.pictures(5, {"gif": np.zeros((1, 4, 5, 3), np.float32)})
    writer.close()
    events = reader.EventAccumulator(str(tmp_path / "tensorboard"), size_guidance={"tensors": 0})
    events.Reload()
    tags = events.Tags()["tensors"]
    assert "loss" in tags and "gif" in tags
    (value,) = events.Tensors("loss")
    assert value.step == 5
    assert np.frombuffer(value.tensor_proto.tensor_content, np.float32).tolist() == [0.5]
