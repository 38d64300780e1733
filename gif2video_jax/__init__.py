"""GIF2Video in JAX: from a GIF to a smooth, clean video.

The names below are the public interface. Each is imported when it is first used, so that
`import gif2video_jax` is quick and parts that need no JAX bring none.
"""

import importlib
from typing import Any

__version__ = "0.1.0"

# Public name -> the module that holds it.
_EXPORTS = {
    "InputError": "gif2video_jax.errors",
}

__all__ = sorted(_EXPORTS)


def __getattr__(name: str) -> Any:
    """Imports a public name on first use (PEP 562)."""
    if name not in _EXPORTS:
        raise AttributeError(
            f"module 'gif2video_jax' has no attribute {name!r}; it has {', '.join(__all__)}"
        )
    value = getattr(importlib.import_module(_EXPORTS[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Lists public names, imported yet or not."""
    return sorted({*globals(), *__all__})
