"""JAX's compilation cache in a folder of the user, so that each network is compiled once."""

import os
import pathlib

import jax


def use_persistent_cache() -> None:
    """Turns JAX's persistent compilation cache on, unless the user has chosen one already.

    The folder is `$XDG_CACHE_HOME/gif2video_jax`, by default `~/.cache/gif2video_jax`. Where it
    cannot be written nothing is cached, and nothing fails.
    """
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
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", 0)
