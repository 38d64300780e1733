"""Checkpoints of a run: everything that matters, asynchronous, never half written."""

import os
from typing import Any

import jax
from orbax.checkpoint import v1 as ocp


class Checkpoints:
    """The checkpoints of one working directory."""

    def __init__(self, workdir: str | os.PathLike, *, keep: int = 2):
        """Opens or makes `workdir`/checkpoints, which keeps the `keep` latest."""
        directory = os.path.join(os.path.abspath(workdir), "checkpoints")
        self._checkpointer = ocp.training.Checkpointer(
            directory,
            preservation_policy=ocp.training.preservation_policies.LatestN(keep),
            cleanup_tmp_directories=True,
        )

    @property
    def latest_step(self) -> int | None:
        """The step of the newest whole checkpoint, or None."""
        latest = self._checkpointer.latest
        return None if latest is None else latest.step

    def save(self, step: int, state: Any) -> None:
        """Starts saving; returns once the arrays are copied, before they are on disk."""
        self._checkpointer.save_pytree_async(step, state)

    def restore(self, like: Any, step: int | None = None) -> Any:
        """Loads a checkpoint (the newest by default) in the shapes and shardings of `like`."""
        return self._checkpointer.load_pytree(step, like)

    def close(self) -> None:
        """Waits for what is still being saved."""
        self._checkpointer.close()


def abstract(state: Any) -> Any:
    """Shapes, types and shardings of a state, without its values."""
    return jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=x.sharding), state
    )
