"""The one place where pixel values change their range.

Files, data sets and videos hold uint8 in [0, 255]; networks hold float32 in [-1, 1], the range of
the authors' code (`x / 127.5 - 1`).
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt8

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # weights of RGB, BT.601


def to_float(image: UInt8[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Maps uint8 [0, 255] to float32 [-1, 1]."""
    return image.astype(jnp.float32) / 127.5 - 1.0


def to_uint8(image: Float[Array, "*shape"]) -> UInt8[Array, "*shape"]:
    """Maps float [-1, 1] to uint8 [0, 255]: rounds to nearest and clips what lies outside."""
    return jnp.clip(jnp.round((image + 1.0) * 127.5), 0.0, 255.0).astype(jnp.uint8)


def space_to_depth(image: Float[Array, "n h w c"], factor: int) -> Float[Array, "n h2 w2 c2"]:
    """Folds each factor x factor block of pixels into channels, ordered (row, column, channel).

    Raises:
      ValueError: if height or width is no multiple of `factor`.
    """
    n, h, w, c = image.shape
    if h % factor or w % factor:
        raise ValueError(f"height and width: expected multiples of {factor}, got {h} and {w}")
    blocks = image.reshape(n, h // factor, factor, w // factor, factor, c)
    return blocks.transpose(0, 1, 3, 2, 4, 5).reshape(
        n, h // factor, w // factor, factor * factor * c
    )


def depth_to_space(image: Float[Array, "n h w c"], factor: int) -> Float[Array, "n h2 w2 c2"]:
    """Undoes `space_to_depth`.

    Raises:
      ValueError: if the channels are no multiple of `factor` squared.
    """
    n, h, w, c = image.shape
    if c % (factor * factor):
        raise ValueError(f"channels: expected a multiple of {factor * factor}, got {c}")
    blocks = image.reshape(n, h, w, factor, factor, c // (factor * factor))
    return blocks.transpose(0, 1, 3, 2, 4, 5).reshape(
        n, h * factor, w * factor, c // (factor * factor)
    )


def shrink(video: Float[Array, "n t h w c"], factor: int) -> Float[Array, "n t h2 w2 c"]:
    """Means of factor x factor pixels; height and width are multiples of `factor`."""
    n, t, h, w, c = video.shape
    blocks = video.reshape(n, t, h // factor, factor, w // factor, factor, c)
    return blocks.mean(axis=(3, 5))


def resize_bilinear(
    image: Float[Array, "n h w c"], height: int, width: int, *, align_corners: bool
) -> Float[Array, "n height width c"]:
    """Enlarges bilinearly, with corners aligned as PyTorch's `UpsamplingBilinear2d` or not.

    `align_corners=True` maps corner pixel centres onto corner pixel centres, so the result depends
    on the whole size; False is the half-pixel rule of `jax.image.resize`, which does not.
    """
    n, h, w, c = image.shape
    if (height, width) == (2 * h, 2 * w):
        return _twofold(_twofold(image, 1, align_corners), 2, align_corners)
    if not align_corners:
        return jax.image.resize(image, (n, height, width, c), "bilinear", antialias=False)
    rows = _aligned_matrix(h, height, image.dtype)
    columns = _aligned_matrix(w, width, image.dtype)
    # Accelerators multiply matrices in lower precision unless asked not to.
    image = jnp.einsum("yh,nhwc->nywc", rows, image, precision="highest")
    return jnp.einsum("xw,nywc->nyxc", columns, image, precision="highest")


def _twofold(image: Float[Array, "n h w c"], axis: int, align_corners: bool) -> Array:
    """Enlarges one axis to twice its size; each sample lies between two neighbours.

    The same as a product with a matrix of weights, most of which are zero, in a third of its time
    and less on a CPU.
    """
    size = image.shape[axis]

    def part(start: int, stop: int) -> Array:
        return jax.lax.slice_in_dim(image, start, stop, axis=axis)

    before = jnp.concatenate([part(0, 1), part(0, size - 1)], axis=axis)
    after = jnp.concatenate([part(1, size), part(size - 1, size)], axis=axis)
    share_before, share_after = np.full((2, size), 0.25)
    if align_corners:
        share_before = np.arange(size) / (2 * size - 1)
        share_after = share_before[::-1]
    shape = [size if i == axis else 1 for i in range(image.ndim)]
    pair = [
        image + share.astype(image.dtype).reshape(shape) * (neighbour - image)
        for share, neighbour in ((share_before, before), (share_after, after))
    ]
    doubled = [length * 2 if i == axis else length for i, length in enumerate(image.shape)]
    return jnp.stack(pair, axis=axis + 1).reshape(doubled)


def _aligned_matrix(size: int, new_size: int, dtype) -> Float[Array, "new_size size"]:
    """The matrix of linear interpolation from `size` to `new_size` samples, corners aligned."""
    if new_size == 1:
        return jnp.zeros((1, size), dtype).at[0, 0].set(1)
    positions = jnp.arange(new_size) * ((size - 1) / (new_size - 1))
    return jnp.maximum(0.0, 1.0 - jnp.abs(positions[:, None] - jnp.arange(size))).astype(dtype)


def luma(image: Float[Array, "n h w 3"]) -> Float[Array, "n h w 1"]:
    """Brightness of RGB by BT.601, in the image's range."""
    return (image @ _LUMA)[..., None]
