"""Networks are compiled once for a machine: what a process compiled, the next one finds on disk.

JAX's own cache keeps what the compiler made, but each process still traces and lowers its functions
to look it up, which takes longer than a short GIF. On a CPU, where that counts, `StoredFunction`
keeps whole executables and looks them up by what they were made of.
"""

import functools
import hashlib
import os
import pathlib
import pickle
import platform
import tempfile
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jaxlib
from jax.experimental import serialize_executable

import gif2video_jax

_EXECUTABLES = "executables"
# What a stored function may be made of, beside its own arguments and fields.
_SOURCES = ("gifs/palette.py", "models", "ops", "restoring")


_folder: pathlib.Path | None = None  # where executables are kept; set by use_persistent_cache


def use_persistent_cache() -> None:
    """Keeps what is compiled for the next process, unless the user has chosen JAX's own cache.

    The folder is `$XDG_CACHE_HOME/gif2video_jax`, by default `~/.cache/gif2video_jax`. On a CPU it
    holds the executables of `StoredFunction`, elsewhere JAX's persistent compilation cache. Where
    it cannot be written nothing is kept, and nothing fails.
    """
    global _folder
    if jax.config.values["jax_compilation_cache_dir"] is not None:
        return
    home = os.environ.get("XDG_CACHE_HOME")
    folder = pathlib.Path(home) if home else pathlib.Path.home() / ".cache"
    folder = folder / "gif2video_jax"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return
    if not os.access(folder, os.W_OK):
        return
    if jax.default_backend() == "cpu":
        _folder = folder
        return
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", 0)


class StoredFunction:
    """A compiled function whose executables are kept on disk, one for each shape of arguments.

    Where `use_persistent_cache` found no folder for it, it is `jax.jit`.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        identity: str,
        compiler_options: Mapping[str, bool | str] | None = None,
    ):
        """Compiles nothing yet.

        Args:
          function: of arrays and nested dictionaries of arrays, all on one device.
          identity: all that decides what `function` does beside its arguments and the source of
            this package: the name, the module's fields, numbers it holds.
          compiler_options: as for `jax.jit`.
        """
        self._jitted = jax.jit(function, compiler_options=dict(compiler_options or {}))
        self._identity = f"{identity} {sorted((compiler_options or {}).items())}"
        self._ready: dict[Any, Callable[..., Any]] = {}

    def __call__(self, *arguments: Any) -> Any:
        """Calls the function; arguments are arrays, never plain numbers."""
        if _folder is None:
            return self._jitted(*arguments)
        leaves, structure = jax.tree.flatten(arguments)
        signature = (structure, tuple((leaf.shape, str(leaf.dtype)) for leaf in leaves))
        if signature in self._ready:
            return self._ready[signature](*arguments)
        key = "\n".join([self._identity, str(signature), _surroundings()])
        path = _folder / _EXECUTABLES / hashlib.sha256(key.encode()).hexdigest()
        result = None
        stored = _load(path)
        if stored is not None:
            try:  # some damage shows only when it runs
                result = jax.block_until_ready(stored(*arguments))
            except jax.errors.JaxRuntimeError:
                stored = None
        if stored is None:
            stored = self._compile(arguments, path)
            result = stored(*arguments)
        self._ready[signature] = stored
        return result

    def _compile(self, arguments: tuple[Any, ...], path: pathlib.Path) -> Callable[..., Any]:
        if jax.config.values["jax_compilation_cache_dir"] is not None:
            # What comes out of JAX's cache cannot be written again: parts of it would be missing.
            return self._jitted
        compiled = self._jitted.lower(*arguments).compile()
        _store(path, compiled)
        return compiled


def _load(path: pathlib.Path) -> Callable[..., Any] | None:
    """An executable that was stored; None if there is none, or it cannot be used."""
    try:
        return serialize_executable.deserialize_and_load(*pickle.loads(path.read_bytes()))
    except Exception:  # no file, or a broken one, or another version's: we compile anew
        return None


def _store(path: pathlib.Path, compiled: Any) -> None:
    """Keeps an executable; where that fails nothing is kept, and nothing fails."""
    try:
        content = pickle.dumps(serialize_executable.serialize(compiled))
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            try:
                file.write(content)
                file.close()
                os.replace(file.name, path)
            except BaseException:
                os.unlink(file.name)
                raise
    except Exception:  # a full disk, or an executable that cannot be written
        return


@functools.cache
def _surroundings() -> str:
    """What an executable depends on beside its function: sources, versions, machine, settings."""
    digest = hashlib.sha256()
    package = pathlib.Path(gif2video_jax.__file__).parent
    for name in _SOURCES:
        source = package / name
        for file in sorted(source.rglob("*.py")) if source.is_dir() else [source]:
            digest.update(file.read_bytes())
    device = jax.devices()[0]
    return "\n".join([
        digest.hexdigest(),
        jax.__version__,
        jaxlib.__version__,
        f"{device.device_kind} {device.client.platform_version} {jax.device_count()}",
        f"{platform.machine()} {_processor()}",
        os.environ.get("XLA_FLAGS", ""),
        str(jax.config.values["jax_default_matmul_precision"]),
    ])  # fmt: skip


def _processor() -> str:
    """The instructions that this processor has, where the system tells; else its name."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            for line in file:
                if line.startswith(("flags", "Features")):
                    return line
    except OSError:
        pass
    return platform.processor()
