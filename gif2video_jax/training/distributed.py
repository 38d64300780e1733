"""Several processes: how they find each other, decide alike, and fail alike.

Every process of a pod runs the same loop, and a checkpoint or an evaluation waits for all of them.
So a decision that depends on a clock, a signal or a file is made together: `agree` and `together`.
With one process both cost nothing.
"""

import os
import sys
import threading
from collections.abc import Callable, Mapping
from typing import TypeVar

import jax
import numpy as np
from jax.experimental import multihost_utils

from gif2video_jax.errors import InputError

MODES = ("auto", "on", "off")
_T = TypeVar("_T")


def initialize(
    mode: str = "auto",
    *,
    coordinator: str | None = None,
    num_processes: int | None = None,
    process_id: int | None = None,
) -> bool:
    """Joins the other processes of this run, if there are any; call it before anything of JAX's.

    Args:
      mode: "auto" joins where `coordinator` is given or the environment is that of a SLURM step or
        a Cloud TPU slice of several processes; "on" joins whatever the environment says, "off"
        never.
      coordinator: HOST:PORT of process 0; with it the two numbers too.
      num_processes: of the run.
      process_id: of this one, from 0.

    Returns:
      Whether it joined.

    Raises:
      InputError: if the arguments are incomplete or the others are not to be found.
    """
    if mode not in MODES:
        raise InputError(f"--distributed: expected one of {', '.join(MODES)}, got {mode!r}")
    given = (coordinator, num_processes, process_id)
    if any(x is not None for x in given) and any(x is None for x in given):
        raise InputError("give --coordinator, --num_processes and --process_id together, or none")
    if mode == "off" or (mode == "auto" and coordinator is None and not has_peers(os.environ)):
        return False
    try:
        jax.distributed.initialize(coordinator, num_processes, process_id)
    except (ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(
            f"cannot join the other processes ({reason}); give --coordinator=HOST:PORT, "
            "--num_processes and --process_id, or --distributed=off for this process alone"
        ) from error
    return True


def has_peers(environment: Mapping[str, str]) -> bool:
    """Whether SLURM or Cloud TPU started this process as one of several.

    A SLURM step says so by SLURM_STEP_NUM_TASKS (a batch script or a shell inside an allocation
    is no step of several), a Cloud TPU slice by several names in TPU_WORKER_HOSTNAMES or by the
    number of slices in MEGASCALE_NUM_SLICES.
    """
    tasks = environment.get("SLURM_STEP_NUM_TASKS", "")
    if tasks.isdigit() and int(tasks) > 1 and "SLURM_PROCID" in environment:
        return True
    slices = environment.get("MEGASCALE_NUM_SLICES", "")
    hosts = [h for h in environment.get("TPU_WORKER_HOSTNAMES", "").split(",") if h.strip()]
    return len(hosts) > 1 or (slices.isdigit() and int(slices) > 1)


def agree(*flags: bool) -> tuple[bool, ...]:
    """For each flag, whether it is set in any process; every process must call it."""
    if jax.process_count() == 1:
        return tuple(bool(flag) for flag in flags)
    gathered = np.asarray(multihost_utils.process_allgather(np.array(flags, np.int32)))
    return tuple(bool(flag.any()) for flag in gathered.reshape(-1, len(flags)).T)


def together(action: Callable[[], _T]) -> _T:
    """Runs `action` in every process, and fails in every process if it fails in one.

    Raises:
      InputError: this process' own, or one that points to the process that failed.
    """
    failure: InputError | None = None
    try:
        result = action()
    except InputError as error:
        failure = error
    (failed,) = agree(failure is not None)
    if failure is not None:
        raise failure
    if failed:
        raise InputError("another process could not start; see what it says")
    return result


def same_everywhere(number: int, what: str) -> int:
    """Returns `number`.

    Raises:
      InputError: if the processes do not have the same; says `what` must be shared.
    """
    if jax.process_count() > 1:
        every = np.asarray(multihost_utils.process_allgather(np.array(number, np.int64)))
        if len(set(every.tolist())) > 1:
            raise InputError(f"{what} must be the same for all processes, got {every.tolist()}")
    return number


def leave(code: int, *, joined: bool, patience: float = 10.0) -> None:
    """Ends a process that failed, at once: neither libraries' threads nor others hold it up.

    Where all processes fail alike they part in order. Where this one failed alone, the rest notice
    when its heartbeat stops (100 seconds) and end too.
    """
    if joined:
        thread = threading.Thread(target=jax.distributed.shutdown, daemon=True)
        thread.start()
        thread.join(patience)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
