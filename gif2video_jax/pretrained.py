"""The bundled models: list, load and save networks with their weights.

A network is one safetensors file. Its arrays are named by their path in the Flax variables, such as
"params/unet/stem/convolution_0/kernel"; its metadata hold the format's version, the kind of network
(`models.build.MODELS`), the module's fields as JSON, and `about`, a JSON object on where the
weights come from. A model is up to three such files: a dequantiser, an interpolator and an
inpainter. Bundled models live in the package's folder `weights`, as NAME.dequantizer.safetensors
and so on, with a card for people (NAME.md) and for programs (NAME.json). A folder with the files
dequantizer.safetensors and interpolator.safetensors, as `gif2video import-torch` makes it, or
inpainter.safetensors, works wherever the name of a bundled model does.
"""

import contextlib
import dataclasses
import importlib.resources
import json
import os
import pathlib
import tempfile
from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import flax.traverse_util
import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import safetensors
import safetensors.numpy

from gif2video_jax.errors import InputError
from gif2video_jax.models.build import MODELS, Fields, build_model, variable_shapes

FORMAT_VERSION = "1"
PARTS = ("dequantizer", "interpolator", "inpainter")
SAVED_TYPES = {"float32": np.float32, "float16": np.float16, "bfloat16": ml_dtypes.bfloat16}
_SUFFIX = ".safetensors"


@dataclasses.dataclass(frozen=True, eq=False)
class Network:
    """A network with its weights: `network.module.apply(network.variables, ...)`.

    Attributes:
      module: the Flax module.
      variables: its variables, float32.
      about: where the weights come from: training data, steps, hardware, results, licence.
      kind: of `models.build.MODELS`.
      fields: the module's, plain values.
    """

    module: nn.Module
    variables: Mapping[str, Any]
    about: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    kind: str = ""
    fields: Mapping[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class ModelCard:
    """What is known of a model without loading it.

    Attributes:
      name: of a bundled model, or the folder's.
      parts: which of `PARTS` it has.
      size: of its weights, bytes.
      facts: the machine-readable card: summary, data, steps, hardware, results, licence. Empty if
        a folder has none.
    """

    name: str
    parts: tuple[str, ...]
    size: int
    facts: Mapping[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, eq=False)
class Model:
    """A dequantiser, an interpolator, an inpainter, or several of them.

    Attributes:
      name: as in the card.
      dequantizer: from a GIF frame to a clean one, or None.
      interpolator: from two frames to the frames between, or None.
      card: what is known of it.
      inpainter: from a video with holes to one without, or None.
    """

    name: str
    dequantizer: Network | None
    interpolator: Network | None
    card: ModelCard
    inpainter: Network | None = None


def list_models() -> list[ModelCard]:
    """The models that came with the package, by name."""
    with _bundled_folder() as folder:
        names = {path.name.split(".")[0] for path in folder.glob(f"*{_SUFFIX}")}
        return [_card(name, _bundled_files(folder, name)) for name in sorted(names)]


def load_model(name_or_folder: str | os.PathLike = "default") -> Model:
    """Loads a bundled model by name, or a model from a folder.

    Args:
      name_or_folder: a name that `list_models` lists, or a folder that holds
        dequantizer.safetensors, interpolator.safetensors, inpainter.safetensors, or several of
        them (and perhaps card.json).

    Raises:
      InputError: if there is no such model or folder, or a file of it is broken.
    """
    name = os.fspath(name_or_folder)
    with _bundled_folder() as folder:
        files = _bundled_files(folder, name)
        if not any(files[part].is_file() for part in PARTS):
            files = _folder_files(name)
        networks = {
            part: load_network(files[part]) if files[part].is_file() else None for part in PARTS
        }
        for part, network in networks.items():
            _check_part(files[part], part, network)
        return Model(name=name, card=_card(name, files), **networks)


def save_network(
    path: str | os.PathLike,
    kind: str,
    fields: Fields,
    variables: Mapping[str, Any],
    *,
    dtype: str = "float16",
    about: Mapping[str, Any],
) -> None:
    """Writes a network as one safetensors file; it appears only when whole.

    BatchNorm's running statistics stay float32: they are few, and variances leave float16's range.

    Args:
      path: the file.
      kind: of `models.build.MODELS`.
      fields: the module's, as a config or JSON holds them.
      variables: the module's; every array that it needs and no other.
      dtype: in the file: "float32", "float16" or "bfloat16".
      about: facts for the reader, JSON values: training data, steps, hardware, results, licence.

    Raises:
      ValueError: if kind, fields, variables or dtype do not fit, or a value does not fit the dtype.
    """
    if dtype not in SAVED_TYPES:
        raise ValueError(f"dtype: expected one of {', '.join(SAVED_TYPES)}, got {dtype!r}")
    module = build_model(kind, fields)
    arrays = {name: np.asarray(array) for name, array in flatten(variables).items()}
    check_arrays({name: array.shape for name, array in arrays.items()}, module)
    metadata = {
        "format_version": FORMAT_VERSION,
        "kind": kind,
        "fields": json.dumps(_as_json(fields), sort_keys=True),
        "about": json.dumps(_as_json(about), sort_keys=True),
    }
    saved = {name: _narrowed(name, array, dtype) for name, array in arrays.items()}
    write_whole(path, safetensors.numpy.save(saved, metadata))


def load_network(path: str | os.PathLike) -> Network:
    """Reads a network that `save_network` wrote.

    Raises:
      InputError: if the file is missing, truncated or no network of ours, or if its arrays are not
        those that the network needs.
    """
    path = os.fspath(path)
    arrays, metadata = _read_safetensors(path)
    version, kind = metadata.get("format_version"), metadata.get("kind")
    if version is None or kind is None:
        raise InputError(
            f"{path}: a safetensors file, but not a network of gif2video (its metadata do not say "
            "of which kind); make one with `gif2video import-torch`"
        )
    if version != FORMAT_VERSION:
        raise InputError(
            f"{path}: expected format version {FORMAT_VERSION}, got {version}; "
            "a newer gif2video_jax may read it"
        )
    if kind not in MODELS:
        raise InputError(f"{path}: expected a network of {', '.join(MODELS)}, got {kind!r}")
    try:
        fields, about = json.loads(metadata["fields"]), json.loads(metadata.get("about", "{}"))
        module = build_model(kind, fields)
        check_arrays({name: array.shape for name, array in arrays.items()}, module)
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(f"{path}: {_one_line(error)}") from error
    arrays = {name: array.astype(np.float32) for name, array in arrays.items()}
    variables = jax.device_put(flax.traverse_util.unflatten_dict(arrays, sep="/"))
    return Network(module, variables, about, kind, fields)


def flatten(variables: Mapping[str, Any]) -> dict[str, Any]:
    """Nested variables as one dictionary with "/" between the names."""
    return flax.traverse_util.flatten_dict(dict(variables), sep="/")


def check_arrays(shapes: Mapping[str, tuple[int, ...]], module: nn.Module) -> None:
    """Checks that arrays of these names and shapes are just those that a network needs.

    Raises:
      ValueError: names the first key that is missing, unexpected or of another shape.
    """
    expected = {name: leaf.shape for name, leaf in flatten(variable_shapes(module)).items()}
    kind = type(module).__name__
    for name, shape in expected.items():
        if name not in shapes:
            raise ValueError(f"{name}: missing; {kind} needs it with shape {shape}")
    for name, shape in shapes.items():
        if name not in expected:
            raise ValueError(f"{name}: {kind} has no such array (here of shape {shape})")
        if tuple(shape) != expected[name]:
            raise ValueError(f"{name}: expected shape {expected[name]}, got {tuple(shape)}")


def write_whole(path: str | os.PathLike, content: bytes) -> None:
    """Writes a file that appears only when it is whole: beside it first, then renamed."""
    path = os.fspath(path)
    handle, temporary = tempfile.mkstemp(
        dir=os.path.dirname(path) or ".", prefix=f".{os.path.basename(path)}."
    )
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        # mkstemp makes files that only their owner reads; a new file follows the umask.
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


@contextlib.contextmanager
def _bundled_folder():
    """The folder of bundled weights as a real path, wherever the package is installed."""
    folder = importlib.resources.files("gif2video_jax") / "weights"
    with importlib.resources.as_file(folder) as path:
        yield path


def _bundled_files(folder: pathlib.Path, name: str) -> dict[str, pathlib.Path]:
    """The files of a bundled model; they need not exist."""
    if name != os.path.basename(name):
        name = ""  # a path is no name
    return {part: folder / f"{name}.{part}{_SUFFIX}" for part in PARTS} | {
        "card": folder / f"{name}.json"
    }


def _folder_files(name: str) -> dict[str, pathlib.Path]:
    """The files of a model in a folder.

    Raises:
      InputError: if there is no such folder, or no network in it.
    """
    folder = pathlib.Path(name)
    available = ", ".join(card.name for card in list_models()) or "none"
    if not folder.is_dir():
        what = "a file, not a folder" if folder.exists() else "no such model or folder"
        raise InputError(
            f"{name}: {what}; bundled models: {available}; "
            "or give a folder that `gif2video import-torch` made"
        )
    files = {part: folder / f"{part}{_SUFFIX}" for part in PARTS} | {"card": folder / "card.json"}
    if not any(files[part].is_file() for part in PARTS):
        raise InputError(
            f"{name}: expected dequantizer{_SUFFIX}, interpolator{_SUFFIX} or inpainter{_SUFFIX} "
            "in this folder, found none"
        )
    return files


def _card(name: str, files: Mapping[str, pathlib.Path]) -> ModelCard:
    """Gathers a model's card.

    Raises:
      InputError: if the machine-readable card is no JSON object.
    """
    parts = tuple(part for part in PARTS if files[part].is_file())
    size = sum(files[part].stat().st_size for part in parts)
    if not files["card"].is_file():
        return ModelCard(name, parts, size)
    try:
        facts = json.loads(files["card"].read_text("utf-8"))
    except ValueError as error:
        raise InputError(f"{files['card']}: no JSON: {_one_line(error)}") from error
    if not isinstance(facts, dict):
        raise InputError(f"{files['card']}: expected a JSON object, got {type(facts).__name__}")
    return ModelCard(name, parts, size, facts)


def _check_part(path: pathlib.Path, part: str, network: Network | None) -> None:
    """Rejects an interpolator in the dequantiser's file, or the other way round."""
    kinds = {
        "dequantizer": ("ccdnet1", "ccdnet"),
        "interpolator": ("superslomo",),
        "inpainter": ("combcn",),
    }[part]
    if network is not None and network.kind not in kinds:
        raise InputError(
            f"{path}: expected a network of kind {' or '.join(kinds)}, got {network.kind}"
        )


def _read_safetensors(path: str) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """All arrays and the metadata of a file.

    Raises:
      InputError: if it cannot be read.
    """
    if not os.path.exists(path):
        raise InputError(f"{path}: no such file")
    if os.path.isdir(path):
        raise InputError(f"{path}: a folder; expected a safetensors file")
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            arrays = {name: file.get_tensor(name) for name in file.keys()}
            return arrays, dict(file.metadata() or {})
    except (safetensors.SafetensorError, OSError, ValueError) as error:
        raise InputError(
            f"{path}: not a whole safetensors file ({_one_line(error)}); copy it again"
        ) from error


def _narrowed(name: str, array: np.ndarray, dtype: str) -> np.ndarray:
    """The array in the file's type.

    Raises:
      ValueError: if it holds infinities or NaN, before or after.
    """
    wanted = "float32" if name.startswith("batch_stats/") else dtype
    with np.errstate(over="ignore"):
        narrow = np.ascontiguousarray(array.astype(SAVED_TYPES[wanted]))
    if not np.isfinite(narrow.astype(np.float32)).all():
        reason = f"leaves the range of {wanted}" if np.isfinite(array).all() else "is not finite"
        raise ValueError(f"{name}: a value {reason}")
    return narrow


def _as_json(value: Any) -> Any:
    """Mappings as dictionaries, sequences as lists, types by name: what JSON holds."""
    if isinstance(value, Fields):
        return {str(key): _as_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_as_json(item) for item in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return value.item() if isinstance(value, np.generic) else jnp.dtype(value).name


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())
