"""f_C: each pixel to the nearest colour of a palette (GIF2Video, the operator of CCDNet)."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, UInt8

from gif2video_jax.ops.image import to_float

# Colours compared at once: bounds the temporary array to this many times one image channel.
_CHUNK = 16


def nearest_index(
    image: Float[Array, "n h w 3"], palette: UInt8[Array, "n 256 3"], num_colors: Int[Array, " n"]
) -> Int[Array, "n h w"]:
    """The index of the palette colour nearest to each pixel.

    Exact argmin of the squared RGB distance over the first `num_colors` entries; on a tie the first
    index. Memory is bounded for any image size: colours are compared a few at a time.

    Args:
      image: RGB in [-1, 1].
      palette: RGB in [0, 255], one palette an image.
      num_colors: how many entries of each palette count, 1 to 256.

    Raises:
      ValueError: if shapes do not match.
    """
    n = image.shape[0]
    if image.ndim != 4 or image.shape[-1] != 3:
        raise ValueError(f"image: expected (n, h, w, 3), got {image.shape}")
    if palette.shape != (n, 256, 3) or num_colors.shape != (n,):
        raise ValueError(
            f"palette and num_colors: expected {(n, 256, 3)} and {(n,)}, "
            f"got {palette.shape} and {num_colors.shape}"
        )
    colors = to_float(palette)
    valid = jnp.arange(256) < num_colors[:, None]

    def compare(carry, start):
        best_distance, best_index = carry
        chunk = jax.lax.dynamic_slice_in_dim(colors, start, _CHUNK, axis=1)
        chunk_valid = jax.lax.dynamic_slice_in_dim(valid, start, _CHUNK, axis=1)
        # Channel by channel in a fixed order: the same rounding however XLA fuses it.
        distance = sum(
            jnp.square(image[..., c, None] - chunk[:, None, None, :, c]) for c in range(3)
        )
        distance = jnp.where(chunk_valid[:, None, None], distance, jnp.inf)
        index = jnp.argmin(distance, axis=-1)
        distance = jnp.min(distance, axis=-1)
        closer = distance < best_distance
        return (
            jnp.where(closer, distance, best_distance),
            jnp.where(closer, index.astype(jnp.int32) + start, best_index),
        ), None

    shape = image.shape[:3]
    start = (jnp.full(shape, jnp.inf, image.dtype), jnp.zeros(shape, jnp.int32))
    (_, index), _ = jax.lax.scan(compare, start, jnp.arange(0, 256, _CHUNK))
    return index


def nearest_color(
    image: Float[Array, "n h w 3"], palette: UInt8[Array, "n 256 3"], num_colors: Int[Array, " n"]
) -> Float[Array, "n h w 3"]:
    """f_C of the paper: each pixel replaced by its nearest palette colour, in [-1, 1].

    Passes no gradient, neither to the image nor to the palette. See `nearest_index`.
    """
    index = nearest_index(jax.lax.stop_gradient(image), palette, num_colors)
    return jax.lax.stop_gradient(colors_at(to_float(palette), index))


def colors_at(
    table: Float[Array, "n 256 c"], index: Int[Array, "n h w"]
) -> Float[Array, "n h w c"]:
    """Looks a row of each image's own table up for every pixel."""
    return jax.vmap(lambda rows, i: jnp.take(rows, i, axis=0, mode="clip"))(table, index)
