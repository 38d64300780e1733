"""What a run tells: rows of metrics.jsonl, pictures, TensorBoard where it can, progress, sizes."""

import contextlib
import json
import logging
import os
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import flax
import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

from gif2video_jax.errors import InputError
from gif2video_jax.whole_files import write_whole


class Writer:
    """Rows of `workdir`/metrics.jsonl and, where CLU and TensorFlow import, TensorBoard's files.

    Only process 0 has one that writes; the others' does nothing.
    """

    def __init__(self, workdir: str, *, step: int, active: bool = True, tensorboard: bool = True):
        """Opens the file and drops what a run that was killed wrote after its last checkpoint.

        Args:
          workdir: the run's working directory.
          step: from which the run goes on.
          active: whether to write anything.
          tensorboard: whether to look for CLU and TensorFlow.

        Raises:
          InputError: if the file cannot be written.
        """
        self._workdir = workdir
        self._path = os.path.join(workdir, "metrics.jsonl")
        self._file = None
        self._board: Any = None
        if not active:
            return
        try:
            _drop_rows_after(step, self._path)
            # Unbuffered, so that a row is in the file when `scalars` returns, or an error raised.
            self._file = open(self._path, "ab", buffering=0)  # noqa: SIM115
        except OSError as error:
            raise self._failed(error) from None
        if tensorboard:
            self._board = _summary_writer(os.path.join(workdir, "tensorboard"))

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Writes one row.

        Raises:
          InputError: if it cannot be written.
        """
        if self._file is None:
            return
        try:
            self._file.write((json.dumps({"step": step, **values}) + "\n").encode())
        except OSError as error:
            raise self._failed(error) from None
        if self._board is not None:
            self._board.write_scalars(step, dict(values))

    def pictures(self, step: int, pictures: Mapping[str, Float[np.ndarray, "n h w 3"]]) -> None:
        """Writes one PNG file, an example a row, and the same as TensorBoard's images.

        Args:
          step: steps done; names the file.
          pictures: what to show side by side, in order, such as GIF, truth, prediction and error;
            range [-1, 1].

        Raises:
          InputError: if the file cannot be written.
        """
        if self._file is None or not pictures:
            return
        folder = os.path.join(self._workdir, "pictures")
        path = os.path.join(folder, f"{step:08d}_{'_'.join(pictures)}.png")
        try:
            os.makedirs(folder, exist_ok=True)
            Image.fromarray(side_by_side(list(pictures.values()))).save(path)
        except OSError as error:
            raise InputError(f"{path}: cannot be written ({error.strerror or error})") from None
        if self._board is not None:
            images = {name: _to_bytes(images) for name, images in pictures.items()}
            self._board.write_images(step, images)

    def close(self) -> None:
        """Closes what is open."""
        if self._board is not None:
            self._board.close()
        if self._file is not None:
            self._file.close()

    def _failed(self, error: OSError) -> InputError:
        return InputError(
            f"{self._path}: cannot be written ({error.strerror}); make room or give another "
            "--workdir; the run goes on from its newest checkpoint"
        )


class Progress:
    """Steps per second, time left, and the share of time that the loop waited for data."""

    def __init__(self, step: int, num_steps: int, clock: Callable[[], float] = time.monotonic):
        """Starts the clock at `step` of `num_steps`."""
        self._clock = clock
        self._num_steps = num_steps
        self._step, self._at = step, clock()
        self.waited = 0.0

    def leave_out(self, seconds: float) -> None:
        """Does not count time in which there were no steps on purpose, as in an evaluation."""
        self._at += seconds

    def measure(self, step: int) -> dict[str, float]:
        """The rates since the last call, as columns of a row."""
        now = self._clock()
        seconds = max(now - self._at, 1e-9)
        rates = {
            "steps_per_second": (step - self._step) / seconds,
            "input_wait_share": self.waited / seconds,
        }
        self._step, self._at, self.waited = step, now, 0.0
        return rates

    def line(self, step: int, values: Mapping[str, float], rate: float) -> str:
        """One line for people."""
        terms = "  ".join(f"{name} {value:.4g}" for name, value in values.items())
        left = duration((self._num_steps - step) / rate) if rate > 0 else "?"
        return f"step {step}/{self._num_steps}  {terms}  {rate:.3g} steps/s  {left} left"


def duration(seconds: float) -> str:
    """Seconds as "2d03h", "1h05m", "3m20s" or "12s"."""
    whole = max(0, round(seconds))
    for unit, size, next_unit, next_size in (("d", 86400, "h", 3600), ("h", 3600, "m", 60)):
        if whole >= size:
            return f"{whole // size}{unit}{whole % size // next_size:02d}{next_unit}"
    return f"{whole // 60}m{whole % 60:02d}s" if whole >= 60 else f"{whole}s"


def parameter_table(params: Any) -> tuple[int, str]:
    """The number of parameters, and a table of them: name, shape, type, count."""
    flat = flax.traverse_util.flatten_dict(flax.core.unfreeze(params), sep="/")
    rows = [
        (str(name), str(tuple(leaf.shape)), str(leaf.dtype), f"{leaf.size:,}")
        for name, leaf in flat.items()
    ]
    total = sum(leaf.size for leaf in flat.values())
    rows = [("name", "shape", "type", "count"), *rows, ("total", "", "", f"{total:,}")]
    widths = [max(len(row[i]) for row in rows) for i in range(4)]
    lines = [
        f"{n:<{widths[0]}}  {s:<{widths[1]}}  {t:<{widths[2]}}  {c:>{widths[3]}}".rstrip()
        for n, s, t, c in rows
    ]
    return total, "\n".join(lines) + "\n"


def side_by_side(columns: Sequence[Float[np.ndarray, "n h w 3"]]) -> UInt8[np.ndarray, "y x 3"]:
    """One picture: a column each, an example a row."""
    return np.concatenate([np.concatenate(list(_to_bytes(c))) for c in columns], axis=1)


def _to_bytes(images: np.ndarray) -> np.ndarray:
    return np.clip(np.round((np.asarray(images) + 1) * 127.5), 0, 255).astype(np.uint8)


def _drop_rows_after(step: int, path: str) -> None:
    """Takes back rows after `step`, and a last row that was cut off."""
    if not os.path.exists(path):
        return
    with open(path, "rb") as file:
        content = file.read()
    kept = []
    for line in content.splitlines(keepends=True):
        try:
            if line.endswith(b"\n") and json.loads(line)["step"] <= step:
                kept.append(line)
        except (ValueError, KeyError, TypeError):
            continue
    if len(kept) < content.count(b"\n") or not content.endswith(b"\n"):
        write_whole(path, b"".join(kept))


def _summary_writer(folder: str) -> Any:
    """CLU's writer of TensorBoard files, or None where CLU or TensorFlow is missing."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        with warnings.catch_warnings(), _without_messages():
            warnings.simplefilter("ignore")
            import tensorflow as tf
            from clu import metric_writers

            tf.config.set_visible_devices([], "GPU")  # they are JAX's
            return metric_writers.AsyncMultiWriter([metric_writers.SummaryWriter(folder)])
    except (ImportError, RuntimeError) as error:
        logging.getLogger(__name__).debug("no TensorBoard: %s", error)
        return None


@contextlib.contextmanager
def _without_messages() -> Iterator[None]:
    """TensorFlow's C++ tells about the machine while it loads, whatever its log level."""
    kept = os.dup(2)
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
