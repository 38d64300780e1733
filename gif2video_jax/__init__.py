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
    # GIF to video
    "restore": "gif2video_jax.restoring.restore",
    "restore_file": "gif2video_jax.restoring.restore",
    "Video": "gif2video_jax.restoring.restore",
    "RestoreOptions": "gif2video_jax.restoring.options",
    # what is on a video, taken off
    "inpaint": "gif2video_jax.restoring.inpaint_file",
    "inpaint_file": "gif2video_jax.restoring.inpaint_file",
    "InpaintOptions": "gif2video_jax.restoring.inpaint_file",
    # models
    "load_model": "gif2video_jax.pretrained",
    "list_models": "gif2video_jax.pretrained",
    "import_torch": "gif2video_jax.torch_import",
    "CCDNet1": "gif2video_jax.models.ccdnet",
    "CCDNet": "gif2video_jax.models.ccdnet",
    "SuperSlomo": "gif2video_jax.models.superslomo",
    "Discriminator": "gif2video_jax.models.discriminator",
    "CombCN": "gif2video_jax.models.combcn",
    "UNet": "gif2video_jax.models.unet",
    # GIFs and videos
    "read_gif": "gif2video_jax.gifs.reader",
    "open_gif": "gif2video_jax.gifs.reader",
    "Palette": "gif2video_jax.gifs.palette",
    "Timeline": "gif2video_jax.gifs.timeline",
    "quantize": "gif2video_jax.gifs.maker",
    "make_gif": "gif2video_jax.gifs.maker",
    "describe_gif": "gif2video_jax.describing",
    "open_video": "gif2video_jax.media",
    "open_writer": "gif2video_jax.media",
    # measuring
    "psnr": "gif2video_jax.evaluation.metrics",
    "ssim": "gif2video_jax.evaluation.metrics",
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
