"""Checkpoints of a run: everything that matters, asynchronous, never half written.

A checkpoint holds the whole `TrainState`. Batches are a function of the step (`loader.py`), so the
step is also the position in the data and nothing else has to be kept of it.
"""

import logging
import math
import os
from collections.abc import Mapping
from typing import Any

import jax
from orbax.checkpoint import v1 as ocp

from gif2video_jax.errors import InputError

policies = ocp.training.preservation_policies


class Checkpoints:
    """The checkpoints of one working directory."""

    def __init__(
        self,
        workdir: str | os.PathLike,
        *,
        keep: int = 2,
        best: str = "",
        reading: bool = False,
    ):
        """Opens or makes `workdir`/checkpoints, which keeps the `keep` latest and the best.

        Args:
          workdir: the run's working directory.
          keep: how many of the latest to keep.
          best: name of the metric whose highest value marks the best one, with "-" before it the
            lowest; "" keeps no best one.
          reading: for others than the run itself, which may be saving right now: nothing is made
            and nothing is tidied up.

        Raises:
          InputError: if there is nothing to read, or the directory cannot be made.
        """
        self.directory = os.path.join(os.path.abspath(workdir), "checkpoints")
        self._best_metric = best
        if reading and not os.path.isdir(self.directory):
            raise InputError(f"{workdir}: no checkpoint there; give the --workdir of a training")
        preserved: Any = policies.LatestN(keep)
        if best:
            preserved = policies.AnyPreservationPolicy(
                [
                    preserved,
                    policies.BestN(
                        get_metric_fn=self._score, n=1, keep_checkpoints_without_metrics=False
                    ),
                ]
            )
        # Orbax logs with a traceback what we say in one line.
        logging.getLogger("absl").addFilter(_no_tracebacks)
        try:
            self._checkpointer = ocp.training.Checkpointer(
                self.directory,
                preservation_policy=preserved,
                cleanup_tmp_directories=not reading,
            )
        except OSError as error:
            raise InputError(
                f"{self.directory}: cannot be opened ({error.strerror or error})"
            ) from error

    @property
    def latest_step(self) -> int | None:
        """The step of the newest checkpoint, or None; waits for one that is being saved."""
        self.wait()
        latest = self._checkpointer.latest
        return None if latest is None else latest.step

    @property
    def best_step(self) -> int | None:
        """The step of the checkpoint with the best metric, or None; waits as `latest_step` does."""
        self.wait()
        judged = [c for c in self._checkpointer.checkpoints if c.metrics is not None]
        judged = [c for c in judged if self._score(c.metrics) > -math.inf]
        return max(judged, key=lambda c: self._score(c.metrics)).step if judged else None

    def is_best(self, metrics: Mapping[str, float]) -> bool:
        """Whether `metrics` are better than those of all checkpoints; always False without best."""
        if not self._best_metric:
            return False
        self.wait()
        scores = [self._score(c.metrics) for c in self._checkpointer.checkpoints if c.metrics]
        return self._score(metrics) > max(scores, default=-math.inf)

    def save(self, step: int, state: Any, metrics: Mapping[str, float] | None = None) -> None:
        """Starts saving; returns once the arrays are copied, before they are on disk.

        Args:
          step: steps done.
          state: what to save.
          metrics: of this step, if it has been evaluated: what `best` looks at.

        Raises:
          InputError: if another run has saved as high a step in this directory meanwhile, or if
            this or the last save failed, as on a full disk.
        """
        self.wait()
        steps = [int(name) for name in os.listdir(self.directory) if name.isdigit()]
        other = max(steps, default=-1)
        if other >= step:
            raise InputError(
                f"{self.directory}: cannot save step {step}: step {other} is there, of another "
                "run; give each run its own --workdir"
            )
        kept = None if metrics is None else {k: float(v) for k, v in metrics.items()}
        try:
            # Forced: Orbax would leave out, silently, what it thinks comes too soon after the last.
            self._checkpointer.save_async(step, state, force=True, metrics=kept)
        except Exception as error:  # whatever lies below Orbax: OSError, ValueError, its own
            raise self._failed_save(error) from error

    def restore(self, like: Any, step: int | None = None) -> Any:
        """Loads a checkpoint (the newest by default) in the shapes and shardings of `like`.

        Raises:
          InputError: if there is none, or if it has other arrays than `like`.
        """
        step = self.latest_step if step is None else step
        if step is None:
            raise InputError(f"{self.directory}: no checkpoint there")
        try:
            return self._checkpointer.load(step, like)
        except (ValueError, KeyError, TypeError) as error:
            reason = " ".join(str(error).split())[:200]
            raise InputError(
                f"{self.directory}: step {step} does not fit this config; give the config it was "
                f"trained with, or another --workdir ({reason})"
            ) from error

    def wait(self) -> None:
        """Waits for what is still being saved.

        Raises:
          InputError: if that failed, as on a full disk; names the newest whole checkpoint.
        """
        try:
            self._checkpointer.wait()
        except Exception as error:
            raise self._failed_save(error) from error

    def close(self) -> None:
        """Waits for what is still being saved, and closes."""
        try:
            self.wait()
        finally:
            self._checkpointer.close()

    def _score(self, metrics: Any) -> float:
        """Higher is better."""
        name = self._best_metric.removeprefix("-")
        value = float((metrics or {}).get(name, math.nan))
        if math.isnan(value):
            return -math.inf
        return -value if self._best_metric.startswith("-") else value

    def _failed_save(self, error: Exception) -> InputError:
        whole = [int(name) for name in os.listdir(self.directory) if name.isdigit()]
        newest = f"step {max(whole)} is the newest whole one" if whole else "there is no whole one"
        return InputError(
            f"{self.directory}: a checkpoint could not be saved ({_reason(error)}); {newest}; "
            "make room and start the same command again"
        )


def _reason(error: BaseException) -> str:
    """What the system said, out of the chain of exceptions that libraries wrap around it."""
    found: BaseException | None = error
    while found is not None:
        if isinstance(found, OSError) and found.strerror:
            return found.strerror
        found = found.__cause__ or found.__context__
    text = " ".join(str(error).split())
    for known in ("No space left on device", "File too large", "Disk quota exceeded"):
        if known in text:
            return known
    return text[:200]


def _no_tracebacks(record: logging.LogRecord) -> bool:
    """Lets no record with a traceback through."""
    return record.exc_info is None


def abstract(state: Any) -> Any:
    """Shapes, types and shardings of a state, without its values."""
    return jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=x.sharding), state
    )
