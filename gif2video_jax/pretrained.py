"""The bundled models: list and load them, or a model from a folder.

A model is up to four networks, each a file of its own (`network_files.py`): a dequantiser, an
interpolator, an inpainter, and perhaps another dequantiser for GIFs that were compressed lossily
(dequantizer_lossy, see `gifs.lossy`). Bundled models live in the package's folder `weights`, as
NAME.dequantizer.safetensors and so on, with a card for people (NAME.md) and for programs
(NAME.json). A folder with the files dequantizer.safetensors and interpolator.safetensors, as
`gif2video import-torch` makes it, or inpainter.safetensors, works wherever the name of a bundled
model does.
"""

import contextlib
import dataclasses
import importlib.resources
import json
import os
import pathlib
from collections.abc import Mapping
from typing import Any

from gif2video_jax.errors import InputError
from gif2video_jax.network_files import Network, load_network, save_network

__all__ = [
    "PARTS",
    "Model",
    "ModelCard",
    "Network",
    "list_models",
    "load_model",
    "load_network",
    "save_network",
]

PARTS = ("dequantizer", "interpolator", "inpainter", "dequantizer_lossy")
"""What `load_model` loads."""

# Counted and listed with a bundled model; `gifs.dither_network` reads it, without JAX.
_FURTHER_PARTS = ("dither_classifier",)
_SUFFIX = ".safetensors"


@dataclasses.dataclass(frozen=True)
class ModelCard:
    """What is known of a model without loading it.

    Attributes:
      name: of a bundled model, or the folder's.
      parts: which of `PARTS` it has, and "dither_classifier" if that came with it.
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
      dequantizer_lossy: a dequantiser of GIFs that look compressed lossily, or None.
    """

    name: str
    dequantizer: Network | None
    interpolator: Network | None
    card: ModelCard
    inpainter: Network | None = None
    dequantizer_lossy: Network | None = None

    def dequantizer_for(self, *, lossy: bool) -> Network | None:
        """The dequantiser of GIFs that look compressed lossily, or of others."""
        return self.dequantizer_lossy or self.dequantizer if lossy else self.dequantizer


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
        bundled = any(files[part].is_file() for part in PARTS)
        if not bundled:
            files = _folder_files(name)
        networks = {
            part: load_network(files[part], check=not bundled) if files[part].is_file() else None
            for part in PARTS
        }
        for part, network in networks.items():
            _check_part(files[part], part, network)
        return Model(name=name, card=_card(name, files), **networks)


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
    return {part: folder / f"{name}.{part}{_SUFFIX}" for part in PARTS + _FURTHER_PARTS} | {
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
            "or give a folder of weights, such as `gif2video import-torch` and training make"
        )
    parts = PARTS + _FURTHER_PARTS
    files = {part: folder / f"{part}{_SUFFIX}" for part in parts} | {"card": folder / "card.json"}
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
    parts = tuple(part for part in PARTS + _FURTHER_PARTS if files[part].is_file())
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
        "dequantizer_lossy": ("ccdnet1", "ccdnet"),
    }[part]
    if network is not None and network.kind not in kinds:
        raise InputError(
            f"{path}: expected a network of kind {' or '.join(kinds)}, got {network.kind}"
        )


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())
