"""A run's working directory: one run at a time, and the config that it was started with."""

import contextlib
import errno
import fcntl
import json
import os
import socket
from collections.abc import Iterator
from typing import Any

import ml_collections

from gif2video_jax.errors import InputError
from gif2video_jax.whole_files import write_whole

# What a checkpoint depends on; steps, rates and data may change between stop and resume.
_FIXED = ("task", "model")
_REFUSED = (errno.EWOULDBLOCK, errno.EACCES, errno.EAGAIN)


@contextlib.contextmanager
def hold_workdir(workdir: str) -> Iterator[None]:
    """Makes the directory and keeps other runs out of it until the end.

    The lock is the system's own on the file `lock`, so it ends with the process, however that ends.
    A file system without locks (some network ones) is used without.

    Raises:
      InputError: if the directory cannot be made or written to, or another run is in it.
    """
    try:
        os.makedirs(workdir, exist_ok=True)
    except OSError as error:
        raise InputError(f"{workdir}: cannot make this --workdir ({error.strerror})") from None
    path = os.path.join(workdir, "lock")
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise InputError(f"{workdir}: cannot write to this --workdir ({error.strerror})") from None
    with os.fdopen(handle, "r+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in _REFUSED:
                owner = file.read().strip() or "an unknown process"
                raise InputError(
                    f"{workdir}: another run is training there ({owner}); give each run its own "
                    "--workdir"
                ) from None
        try:
            file.truncate()
            file.write(f"process {os.getpid()} on {socket.gethostname()}\n")
            file.flush()
        except OSError as error:
            raise InputError(
                f"{workdir}: cannot write to this --workdir ({error.strerror})"
            ) from None
        yield


def keep_config(config: ml_collections.ConfigDict, workdir: str, *, resuming: bool) -> None:
    """Stores the config as config.json in the directory, after a look at the one there.

    Args:
      config: of this run.
      workdir: its directory.
      resuming: there are checkpoints, so that task and model must be those of the stored config
        (if one is there).

    Raises:
      InputError: names the first field that differs, or says that config.json is broken or cannot
        be written.
    """
    path = os.path.join(workdir, "config.json")
    fields = json.loads(config.to_json_best_effort())
    if resuming and os.path.exists(path):
        try:
            with open(path, encoding="utf-8") as file:
                stored = json.load(file)
            stored = {name: stored[name] for name in _FIXED}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(f"{path}: not the config of a run ({error})") from None
        differences = [_difference(stored[name], fields[name], f"config.{name}") for name in _FIXED]
        difference = next(filter(None, differences), "")
        if difference:
            raise InputError(
                f"{workdir}: holds checkpoints of another config: {difference}; give the config "
                "they were trained with, or another --workdir"
            )
    try:
        write_whole(path, (json.dumps(fields, indent=2, sort_keys=True) + "\n").encode())
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror})") from None


def _difference(stored: Any, given: Any, name: str) -> str:
    """The first field that differs, in words, or ""."""
    if isinstance(stored, dict) and isinstance(given, dict):
        for key in sorted(stored.keys() | given.keys()):
            found = _difference(stored.get(key), given.get(key), f"{name}.{key}")
            if found:
                return found
        return ""
    return "" if stored == given else f"{name} was {stored!r} and is {given!r}"
