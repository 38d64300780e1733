"""Checkpoints of a run: everything that matters, asynchronous, never half written."""

import os
from typing import Any

import jax
from orbax.checkpoint import v1 as ocp

from gif2video_jax.errors import InputError


class Checkpoints:
    """The checkpoints of one working directory."""

    def __init__(self, workdir: str | os.PathLike, *, keep: int = 2, reading: bool = False):
        """Opens or makes `workdir`/checkpoints, which keeps the `keep` latest.

        Args:
          workdir: the run's working directory.
          keep: how many to keep.
          reading: for others than the run itself, which may be saving right now: nothing is made
            and nothing is tidied up.

        Raises:
          InputError: if there is nothing to read.
        """
        self.directory = os.path.join(os.path.abspath(workdir), "checkpoints")
        if reading and not os.path.isdir(self.directory):
            raise InputError(f"{workdir}: no checkpoint there; give the --workdir of a training")
        self._checkpointer = ocp.training.Checkpointer(
            self.directory,
            preservation_policy=ocp.training.preservation_policies.LatestN(keep),
            cleanup_tmp_directories=not reading,
        )

    @property
    def latest_step(self) -> int | None:
        """The step of the newest checkpoint, or None; waits for one that is being saved."""
        self.wait()
        latest = self._checkpointer.latest
        return None if latest is None else latest.step

    def save(self, step: int, state: Any) -> None:
        """Starts saving; returns once the arrays are copied, before they are on disk.

        Raises:
          InputError: if another run has saved as high a step in this directory meanwhile.
        """
        self.wait()
        steps = [int(name) for name in os.listdir(self.directory) if name.isdigit()]
        other = max(steps, default=-1)
        if other >= step:
            raise InputError(
                f"{self.directory}: cannot save step {step}: step {other} is there, of another "
                "run; give each run its own --workdir"
            )
        # Forced: Orbax would leave out, silently, what it thinks comes too soon after the last.
        self._checkpointer.save_async(step, state, force=True)

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
        """Waits for what is still being saved; raises what went wrong there."""
        self._checkpointer.wait()

    def close(self) -> None:
        """Waits for what is still being saved, and closes."""
        try:
            self.wait()
        finally:
            self._checkpointer.close()


def abstract(state: Any) -> Any:
    """Shapes, types and shardings of a state, without its values."""
    return jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=x.sharding), state
    )
