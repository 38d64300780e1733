"""Reads PyTorch checkpoints without PyTorch and without running what is in them.

A checkpoint is a pickle that refers to raw arrays stored beside it: in a zip archive since PyTorch
1.6, one after the other in the same file before that (the authors' files may be of either kind). A
pickle is a program; this reader allows it to make dictionaries, lists, numbers, strings and arrays,
and refuses everything else, as PyTorch's `weights_only` does.
"""

import collections
import dataclasses
import io
import math
import os
import pickle
import struct
import zipfile
from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np

from gif2video_jax.errors import InputError

# Opens every file of the format from before PyTorch 1.6, and its version.
_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_LEGACY_VERSION = 1001

_STORAGE_TYPES: dict[str, Any] = {
    "FloatStorage": np.float32,
    "DoubleStorage": np.float64,
    "HalfStorage": np.float16,
    "BFloat16Storage": ml_dtypes.bfloat16,
    "LongStorage": np.int64,
    "IntStorage": np.int32,
    "ShortStorage": np.int16,
    "CharStorage": np.int8,
    "ByteStorage": np.uint8,
    "BoolStorage": np.bool_,
}

# What training scripts put beside the weights (options, a loss as a NumPy number). Nothing of it
# is needed: each becomes an empty placeholder.
_PLACEHOLDERS = (
    "argparse.Namespace",
    "numpy.core.multiarray.scalar",
    "numpy._core.multiarray.scalar",
    "numpy.core.multiarray._reconstruct",
    "numpy._core.multiarray._reconstruct",
    "numpy.dtype",
    "numpy.ndarray",
    "_codecs.encode",
    "torch.device",
    "torch.Size",
)


def read_checkpoint(path: str | os.PathLike) -> Any:
    """Reads a file that `torch.save` wrote.

    Returns:
      What was saved, with arrays in place of tensors; placeholders (None) for options and such.

    Raises:
      InputError: if the file is missing, truncated, no checkpoint, or asks for anything but data.
    """
    path = os.fspath(path)
    if os.path.isdir(path):
        raise InputError(f"{path}: a folder; expected a PyTorch checkpoint (.pt)")
    try:
        with open(path, "rb") as file:
            zipped = file.read(4) == b"PK\x03\x04"
            file.seek(0)
            return _read_zip(file) if zipped else _read_legacy(file)
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    # A damaged pickle can raise almost anything, from UnicodeDecodeError to MemoryError.
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(
            f"{path}: not a whole PyTorch checkpoint ({reason}); expected a file of torch.save"
        ) from error


@dataclasses.dataclass
class _Storage:
    """A run of numbers that tensors are views of; `array` comes after the pickle is read."""

    dtype: Any
    size: int
    array: np.ndarray | None = None


@dataclasses.dataclass
class _Tensor:
    """A view of a storage, not yet looked up."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def resolve(self) -> np.ndarray:
        """Copies the tensor's elements out of its storage.

        Raises:
          InputError: if the view does not lie within the storage.
        """
        array = self.storage.array
        numbers = (self.offset, *self.shape, *self.strides)
        if array is None or len(self.shape) != len(self.strides) or min(numbers) < 0:
            raise InputError("a tensor without data or with an impossible shape")
        count = math.prod(self.shape)
        last = self.offset + sum(
            (length - 1) * stride for length, stride in zip(self.shape, self.strides, strict=True)
        )
        if count and (last >= len(array) or count > len(array)):
            raise InputError(
                f"a tensor of shape {self.shape} does not fit its {len(array)} stored numbers"
            )
        if not count:
            return np.zeros(self.shape, array.dtype)
        strides = [stride * array.itemsize for stride in self.strides]
        view = np.lib.stride_tricks.as_strided(array[self.offset :], self.shape, strides)
        return np.ascontiguousarray(view).reshape(self.shape)


class _Placeholder:
    """Stands for an object that nobody needs; takes any arguments and any state."""

    def __init__(self, *args, **kwargs):
        """Forgets its arguments."""

    def __setstate__(self, state):
        """Forgets the state."""


class _DataUnpickler(pickle.Unpickler):
    """A pickle reader that makes data and nothing else."""

    def __init__(self, file: io.BufferedIOBase, storages: dict[str, _Storage]):
        # Python 2 wrote the oldest checkpoints; its strings are read as UTF-8.
        super().__init__(file, encoding="utf-8")
        self._storages = storages
        # Made anew for each file, so that no pickle can change them for the next.
        self._allowed: dict[str, Callable[..., Any]] = {
            "collections.OrderedDict": collections.OrderedDict,
            "torch._utils._rebuild_tensor": _tensor_maker(),
            "torch._utils._rebuild_tensor_v2": _tensor_maker(),
            "torch._utils._rebuild_parameter": lambda data, *_: data,
        }
        self._allowed |= {name: type("Placeholder", (_Placeholder,), {}) for name in _PLACEHOLDERS}

    def find_class(self, module: str, name: str) -> Any:
        """Looks a name of the pickle up in the list of what is allowed.

        Raises:
          InputError: if it is not in the list.
        """
        if module == "torch" and name in _STORAGE_TYPES:
            return name
        if f"{module}.{name}" in self._allowed:
            return self._allowed[f"{module}.{name}"]
        raise InputError(
            f"asks for {module}.{name}, which no weights need; refused (save the network's "
            "state_dict, not the network)"
        )

    def persistent_load(self, pid: Any) -> _Storage:
        """Notes that the pickle refers to a storage.

        Raises:
          InputError: if it refers to something else.
        """
        if not isinstance(pid, tuple) or len(pid) < 5 or pid[0] != "storage":
            kind = pid[0] if isinstance(pid, tuple) and pid else pid
            raise InputError(f"holds a {kind!r}, expected only arrays; save the state_dict instead")
        _, type_name, key, _, size, *view = pid
        if type_name not in _STORAGE_TYPES or not isinstance(size, int):
            raise InputError(f"holds numbers of an unknown type, {type_name!r}")
        if view and view[0] is not None:
            raise InputError("holds views of storages, of PyTorch before 0.4; save it again")
        return self._storages.setdefault(str(key), _Storage(_STORAGE_TYPES[type_name], size))


def _tensor_maker() -> Callable[..., _Tensor]:
    """A function with the arguments of PyTorch's `_rebuild_tensor` that only notes the view."""
    return lambda storage, offset, shape, strides, *_: _Tensor(
        storage, offset, tuple(shape), tuple(strides)
    )


def _read_zip(file: io.BufferedIOBase) -> Any:
    """The format since PyTorch 1.6."""
    with zipfile.ZipFile(file) as archive:
        pickles = [name for name in archive.namelist() if name.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise InputError("a zip archive, but not of torch.save (it has no data.pkl)")
        root = pickles[0].removesuffix("data.pkl")
        if f"{root}byteorder" in archive.namelist():
            order = archive.read(f"{root}byteorder")
            if order != b"little":
                raise InputError(f"expected little-endian numbers, got {order!r}")
        storages: dict[str, _Storage] = {}
        result = _DataUnpickler(io.BytesIO(archive.read(pickles[0])), storages).load()
        for key, storage in storages.items():
            entry = archive.getinfo(f"{root}data/{key}")
            expected = storage.size * np.dtype(storage.dtype).itemsize
            if entry.file_size != expected:
                raise InputError(f"array {key}: expected {expected} bytes, got {entry.file_size}")
            storage.array = np.frombuffer(archive.read(entry), storage.dtype)
    return _resolved(result)


def _read_legacy(file: io.BufferedIOBase) -> Any:
    """The format before PyTorch 1.6: five pickles, then the arrays in the order of the last one."""
    storages: dict[str, _Storage] = {}

    def load():
        return _DataUnpickler(file, storages).load()

    if load() != _LEGACY_MAGIC:
        raise InputError("not a PyTorch checkpoint")
    if load() != _LEGACY_VERSION:
        raise InputError("a PyTorch checkpoint of an unknown version")
    if load().get("little_endian") is not True:
        raise InputError("expected little-endian numbers")
    result, keys = load(), load()
    for key in keys:
        storage = storages[str(key)]
        (size,) = struct.unpack("<q", file.read(8))
        if size != storage.size:
            raise InputError(f"array {key}: expected {storage.size} numbers, got {size}")
        expected = size * np.dtype(storage.dtype).itemsize
        content = file.read(expected)
        if len(content) != expected:
            raise InputError(f"truncated: array {key} has {len(content)} of {expected} bytes")
        storage.array = np.frombuffer(content, storage.dtype)
    return _resolved(result)


def _resolved(value: Any) -> Any:
    """The same structure with arrays in place of tensors."""
    if isinstance(value, _Tensor):
        return value.resolve()
    if isinstance(value, dict):
        return {key: _resolved(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_resolved(item) for item in value)
    return None if isinstance(value, _Placeholder | _Storage) else value
