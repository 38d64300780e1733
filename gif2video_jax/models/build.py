"""Networks by name and fields, as configs and weight files name them."""

from collections.abc import Iterable
from typing import Any, Protocol, runtime_checkable

import flax.linen as nn
import jax
import jax.numpy as jnp

from gif2video_jax.gifs.dither_network import MIN_SIDE
from gif2video_jax.gifs.dither_planes import NUM_PLANES
from gif2video_jax.models.ccdnet import CCDNet, CCDNet1
from gif2video_jax.models.combcn import CombCN
from gif2video_jax.models.discriminator import Discriminator
from gif2video_jax.models.dither_classifier import DitherClassifier
from gif2video_jax.models.superslomo import SuperSlomo
from gif2video_jax.models.unet import UNet

MODELS: dict[str, type[nn.Module]] = {
    "ccdnet1": CCDNet1,
    "ccdnet": CCDNet,
    "superslomo": SuperSlomo,
    "discriminator": Discriminator,
    "combcn": CombCN,
    "dither_classifier": DitherClassifier,
}


@runtime_checkable
class Fields(Protocol):
    """Values by name: a dictionary, or a section of a config."""

    def items(self) -> Iterable[tuple[str, Any]]:
        """The names and values."""
        ...


def build_model(kind: str, fields: Fields) -> nn.Module:
    """Builds a network.

    Args:
      kind: one of `MODELS`.
      fields: the module's attributes, plain values as JSON or a config holds them; the U-Net's
        `dtype` may be a name such as "bfloat16".

    Raises:
      ValueError: on an unknown kind, or a field that the module does not have.
    """
    if kind not in MODELS:
        raise ValueError(f"model: expected one of {', '.join(MODELS)}, got {kind!r}")
    module = MODELS[kind]
    known = [name for name in module.__dataclass_fields__ if name not in ("parent", "name")]
    plain: dict[str, Any] = _plain(fields)
    unknown = sorted(set(plain) - set(known))
    if unknown:
        raise ValueError(f"{kind}: unknown fields {', '.join(unknown)}; it has {', '.join(known)}")
    unet = plain.get("unet")
    if isinstance(unet, dict) and isinstance(unet.get("dtype"), str):
        unet["dtype"] = jnp.dtype(unet["dtype"])
    return module(**plain)


def variable_shapes(module: nn.Module) -> dict[str, Any]:
    """The shapes and types of a network's variables, without making them.

    Returns:
      Nested dictionaries of `jax.ShapeDtypeStruct`: "params", and "batch_stats" with BatchNorm.

    Raises:
      ValueError: if the module is not of `MODELS`, or if its fields do not fit each other.
    """
    key = jax.eval_shape(lambda: jax.random.key(0))
    return dict(jax.eval_shape(module.init, key, *_smallest_inputs(module)))


def _smallest_inputs(module: nn.Module) -> tuple[jax.ShapeDtypeStruct, ...]:
    """The shapes of one small example of each argument of a network's call."""
    if isinstance(module, Discriminator):
        # Far enough for five convolutions of 4x4, four pixels of the last one's input.
        size = 2 ** (len(module.channels) + 2)
        return (_array(1, size, size, 3), _array(1, size, size, 3))
    if isinstance(module, CombCN):
        video = (1, module.time_multiple, module.multiple, module.multiple)
        return (_array(*video, 3), _array(*video, 1))
    if isinstance(module, DitherClassifier):
        return (_array(1, MIN_SIDE, MIN_SIDE, NUM_PLANES, dtype=jnp.int8),)
    if not isinstance(module, CCDNet1 | CCDNet | SuperSlomo):
        raise ValueError(f"module: expected one of {', '.join(MODELS)}, got {module}")
    if isinstance(module, SuperSlomo):
        image = _array(1, module.multiple, module.multiple, 3)
        return (image, image, _array(1, 1))
    size = UNet(out_channels=3, **module.unet).multiple
    image = _array(1, size, size, 3)
    if isinstance(module, CCDNet):
        return (image, _array(1, 256, 3, dtype=jnp.uint8), _array(1, dtype=jnp.int32))
    if module.geometry_channels:
        return (image, _array(1, size, size, module.geometry_channels))
    return (image,)


def _array(*shape: int, dtype: Any = jnp.float32) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(shape, dtype)


def _plain(value: Any) -> Any:
    """Mappings as dictionaries and lists as tuples, all the way down, so that modules hash."""
    if isinstance(value, Fields):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return tuple(_plain(item) for item in value)
    return value
