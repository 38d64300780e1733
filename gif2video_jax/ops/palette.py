"""f_C: each pixel to the nearest colour of a palette (GIF2Video, the operator of CCDNet)."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Integer, UInt8

from gif2video_jax.ops.image import to_float

# Colours compared in one pass over the image.
_CHUNK = 16


def nearest_index(
    image: Float[Array, "n h w 3"], palette: UInt8[Array, "n 256 3"], num_colors: Int[Array, " n"]
) -> Int[Array, "n h w"]:
    """The index of the palette colour nearest to each pixel.

    Exact argmin of the squared RGB distance over the first `num_colors` entries; on a tie the first
    index. Memory is bounded for any image size: a few arrays of one channel, whatever the number of
    colours. No gradient passes.

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
    colors = palette.astype(jnp.float32)
    levels = _levels(jax.lax.stop_gradient(image))

    def compare(chunk_number, carry):
        best_distance, best_index = carry
        first = chunk_number * _CHUNK
        chunk = jax.lax.dynamic_slice_in_dim(colors, first, _CHUNK, axis=1)
        for i in range(_CHUNK):
            color = chunk[:, i, None, None]
            distance = sum(jnp.square(levels[..., c] - color[..., c]) for c in range(3))
            counts = (first + i < num_colors)[:, None, None]
            closer = (distance < best_distance) & counts
            best_distance = jnp.where(closer, distance, best_distance)
            best_index = jnp.where(closer, first + i, best_index)
        return best_distance, best_index

    shape = image.shape[:3]
    start = (jnp.full(shape, jnp.inf, jnp.float32), jnp.zeros(shape, jnp.int32))
    num_chunks = (jnp.max(num_colors) + _CHUNK - 1) // _CHUNK
    return jax.lax.fori_loop(0, num_chunks, compare, start)[1]


def _levels(image: Float[Array, "n h w 3"]) -> Float[Array, "n h w 3"]:
    """The image in [0, 255], where colours are whole numbers and their distances exact.

    A value that came from a whole number gets it back, so that a tie of two colours is a tie.
    """
    levels = (image.astype(jnp.float32) + 1.0) * 127.5
    whole = jnp.round(levels)
    return jnp.where(jnp.abs(levels - whole) < 1e-4, whole, levels)


def nearest_color(
    image: Float[Array, "n h w 3"], palette: UInt8[Array, "n 256 3"], num_colors: Int[Array, " n"]
) -> Float[Array, "n h w 3"]:
    """f_C of the paper: each pixel replaced by its nearest palette colour, in [-1, 1].

    Passes no gradient, neither to the image nor to the palette. See `nearest_index`.
    """
    index = nearest_index(image, palette, num_colors)
    return jax.lax.stop_gradient(colors_at(to_float(palette), index))


def colors_at(
    table: Float[Array, "n 256 c"], index: Integer[Array, "n h w"]
) -> Float[Array, "n h w c"]:
    """Looks a row of each image's own table up for every pixel."""
    return jax.vmap(lambda rows, i: jnp.take(rows, i, axis=0, mode="clip"))(table, index)
