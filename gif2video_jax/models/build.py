"""Networks by name and fields, as configs and weight files name them."""

from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import jax.numpy as jnp

from gif2video_jax.models.ccdnet import CCDNet, CCDNet1
from gif2video_jax.models.discriminator import Discriminator
from gif2video_jax.models.superslomo import SuperSlomo

MODELS: dict[str, type[nn.Module]] = {
    "ccdnet1": CCDNet1,
    "ccdnet": CCDNet,
    "superslomo": SuperSlomo,
    "discriminator": Discriminator,
}


def build_model(kind: str, fields: Mapping[str, Any]) -> nn.Module:
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
    fields = _plain(fields)
    unknown = sorted(set(fields) - set(known))
    if unknown:
        raise ValueError(
            f"{kind}: unknown fields {', '.join(unknown)}; it has {', '.join(known)}"
        )
    if isinstance(fields.get("unet"), dict) and isinstance(fields["unet"].get("dtype"), str):
        fields["unet"]["dtype"] = jnp.dtype(fields["unet"]["dtype"])
    return module(**fields)


def _plain(value: Any) -> Any:
    """Mappings as dictionaries and lists as tuples, all the way down, so that modules hash."""
    if isinstance(value, Mapping) or hasattr(value, "items"):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return tuple(_plain(item) for item in value)
    return value
