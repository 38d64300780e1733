"""The shipped configs with tiny networks, and batches of their tasks without any data."""

import importlib.util
import pathlib

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np

CONFIGS = pathlib.Path(__file__).parents[2] / "configs"
SIDE = 32


def shipped(name: str) -> ml_collections.ConfigDict:
    """A config as it is shipped."""
    spec = importlib.util.spec_from_file_location(name.removesuffix(".py"), CONFIGS / name)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.get_config()


def names() -> list[str]:
    """Of all shipped configs but those of CombCN, which have tests of their own."""
    found = sorted(path.name for path in CONFIGS.glob("*.py"))
    return [name for name in found if not name.startswith("combcn")]


def shrunk(name: str) -> ml_collections.ConfigDict:
    """A shipped config of two stages with few channels, whose rate stays as it starts."""
    config = shipped(name)
    if config.task == "dither_classification":
        config.model.channels, config.model.hidden = (6, 6, 8), 8
    else:
        _shrink_unet(config.model.unet)
    if "base" in config and "fields" in config.base:
        _shrink_unet(config.base.fields.unet)
    if "adversarial" in config:
        config.adversarial.channels = (4, 6)
        config.adversarial.pool_size = 5
    config.optimizer.schedule = "constant"
    for field in ("halve_every", "drop_at"):
        if field in config.optimizer:
            del config.optimizer[field]
    config.optimizer.warmup_steps = 0
    config.optimizer.learning_rate = 1e-3
    return config


def _shrink_unet(unet: ml_collections.ConfigDict) -> None:
    unet.stage_channels = (6, 8)
    unet.kernel_sizes = tuple(unet.kernel_sizes)[:2]
    unet.up_channels = (6,)
    for blocks in ("stage_blocks", "up_blocks"):
        if unet.get(blocks):
            unet[blocks] = tuple(unet[blocks])[: 2 if blocks == "stage_blocks" else 1]


def state_of(task, batch, seed: int | None = 0):
    """A state before the first step, without compiling its making; seed None: all parameters zero.

    Kernels are drawn as He's, scales and variances are ones, everything else is zero.
    """
    shapes = jax.eval_shape(task.init, jax.random.key(0), batch)
    rng = np.random.default_rng(seed)

    def fill(path, leaf):
        name = jax.tree_util.keystr(path)
        if "optimizer_state" in name or "pool" in name or seed is None:
            return jnp.zeros(leaf.shape, leaf.dtype)
        if name.endswith("['kernel']"):
            spread = np.sqrt(2 / np.prod(leaf.shape[:-1]))
            return jnp.asarray(rng.normal(0, spread, leaf.shape), leaf.dtype)
        if name.endswith(("['scale']", "['var']")):
            return jnp.ones(leaf.shape, leaf.dtype)
        if name.endswith("['threshold']"):
            return jnp.asarray(task.config.outliers.threshold, leaf.dtype)
        return jnp.zeros(leaf.shape, leaf.dtype)

    state = jax.tree_util.tree_map_with_path(fill, shapes)
    return state.replace(average=jax.tree.map(jnp.copy, state.params))


def smooth(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Smooth random pictures, uint8."""
    coarse = rng.uniform(0, 255, (*shape[:-3], 5, 5, 3))
    size = shape[-2]
    places = np.linspace(0, 3.999, size)
    low, share = places.astype(int), (places % 1)[:, None]
    rows = coarse[..., low, :, :] * (1 - share[..., None]) + coarse[..., low + 1, :, :] * (
        share[..., None]
    )
    columns = rows[..., low, :] * (1 - share) + rows[..., low + 1, :] * share
    return np.round(columns).astype(np.uint8)


def gif_of(truth: np.ndarray) -> dict[str, np.ndarray]:
    """Every picture through its own palette of sixteen of its colours, by brute force."""
    flat = truth.reshape(-1, *truth.shape[-3:])
    indices, palettes = [], []
    for picture in flat:
        colors = picture.reshape(-1, 3)[:: picture.shape[0] * picture.shape[1] // 16][:16]
        distance = np.square(picture[:, :, None].astype(int) - colors).sum(-1)
        indices.append(distance.argmin(-1).astype(np.uint8))
        palettes.append(np.concatenate([colors, np.zeros((240, 3), np.uint8)]))
    leading = truth.shape[:-3]
    return {
        "indices": np.stack(indices).reshape(*leading, *truth.shape[-3:-1]),
        "palette": np.stack(palettes).reshape(*leading, 256, 3),
        "num_colors": np.full(leading, 16, np.int32),
    }


def batch_of(task: str, num: int = 2, side: int = SIDE) -> dict[str, np.ndarray]:
    """A batch of smooth pictures, or of clips that blend from one to another."""
    rng = np.random.default_rng(0)
    if task in ("dequantization", "refinement"):
        truth = smooth(rng, num, side, side, 3)
        geometry = rng.uniform(-0.1, 0.1, (num, 256, 12)).astype(np.float32)
        return {"truth": truth, **gif_of(truth), "geometry": geometry}
    if task == "dither_classification":
        noise = rng.integers(-127, 128, (num, side, side, 15), np.int8)
        planes = noise // (1 + 3 * np.arange(num, dtype=np.int8)[:, None, None, None])
        return {"planes": planes, "kind": np.arange(num, dtype=np.int32) % 3}
    picture = smooth(rng, num, side + 8, side + 8, 3)
    clip = np.stack([picture[:, i : i + side, i : i + side] for i in (0, 2, 4)], axis=1)
    times = np.full((num, 1), 0.5, np.float32)
    if task == "clip_interpolation":
        return {"truth": clip, **gif_of(clip[:, [0, 2]]), "times": times}
    assert task == "interpolation"
    moved = np.full((num, 1, side, side, 2), 4, np.float32)
    return {
        "keys": clip[:, [0, 2]],
        "truth": clip[:, 1:2],
        "times": times,
        "flows": np.concatenate([-moved, moved], axis=1),
        "visible": np.ones((num, 2, side, side), bool),
        "flows_between": np.stack([moved, -moved], axis=2) / 2,
        "visible_between": np.ones((num, 1, 2, side, side), bool),
    }
