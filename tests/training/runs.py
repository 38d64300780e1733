"""What a training left in its working directory, read without the loop's code."""

import contextlib
import json
import os
import pathlib
from collections.abc import Iterator

import jax
import numpy as np
from jax.experimental.compilation_cache import compilation_cache
from orbax.checkpoint import v1 as ocp

_TIMING = ("steps_per_second", "input_wait_share")


def rows(workdir: os.PathLike) -> list[dict]:
    """The rows of metrics.jsonl."""
    text = (pathlib.Path(workdir) / "metrics.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


def without_timing(workdir: os.PathLike) -> list[dict]:
    """The rows without what depends on the clock."""
    return [{k: v for k, v in row.items() if k not in _TIMING} for row in rows(workdir)]


def steps_saved(workdir: os.PathLike) -> list[int]:
    """The steps of whole checkpoints."""
    folder = pathlib.Path(workdir) / "checkpoints"
    if not folder.is_dir():
        return []
    return sorted(int(name) for name in os.listdir(folder) if name.isdigit())


def arrays_of(workdir: os.PathLike, step: int | None = None) -> dict[str, np.ndarray]:
    """Every array of a checkpoint, the newest by default, by its path."""
    step = steps_saved(workdir)[-1] if step is None else step
    path = pathlib.Path(workdir).absolute() / "checkpoints" / str(step)
    # On one device, whatever number of them saved it.
    device = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
    shapes = jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=device),
        ocp.metadata(path).metadata,
    )
    tree = ocp.load(path, shapes)
    found = {}
    for name, leaf in jax.tree_util.tree_leaves_with_path(tree):
        if hasattr(leaf, "dtype") and jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            leaf = jax.random.key_data(leaf)
        found[jax.tree_util.keystr(name, simple=True, separator="/")] = np.asarray(leaf)
    return found


def same(one: dict[str, np.ndarray], two: dict[str, np.ndarray]) -> bool:
    """Whether two checkpoints are the same bit for bit."""
    assert one.keys() == two.keys()
    return all(one[name].tobytes() == two[name].tobytes() for name in one)


@contextlib.contextmanager
def compiled_programs_in(folder: os.PathLike) -> Iterator[None]:
    """JAX keeps every compiled program in a folder."""
    values = {
        "jax_compilation_cache_dir": str(folder),
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
