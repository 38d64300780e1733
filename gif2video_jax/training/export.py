"""Makes a weight file of a run: `python -m gif2video_jax.training.export --help`."""

import argparse
import json
import os
import sys
from collections.abc import Mapping
from typing import Any

from gif2video_jax.errors import InputError
from gif2video_jax.pretrained import save_network
from gif2video_jax.training.trained import load_config, load_trained


def export(config_path: str, workdir: str, output: str, *, dtype: str, about: dict) -> int:
    """Writes the averaged weights of a run's newest checkpoint as a safetensors file.

    Args:
      config_path: the run's config file.
      workdir: the run's working directory.
      output: the file to write.
      dtype: of the stored weights, "float16" or "float32".
      about: facts for the model card: data, steps, hardware, results.

    Returns:
      The step of the checkpoint.

    Raises:
      InputError: if the directory holds no checkpoint, or the output's folder isn't there.
    """
    folder = os.path.dirname(os.path.abspath(output))
    if not os.path.isdir(folder):
        raise InputError(f"{output}: no folder {folder}; make it first")
    trained = load_trained(workdir, load_config(config_path))
    save_network(
        output,
        trained.kind,
        without_dtype(trained.fields),
        trained.variables,
        dtype=dtype,
        about={"steps": trained.step, **about},
    )
    return trained.step


def without_dtype(fields: Mapping[str, Any]) -> dict[str, Any]:
    """A network's fields without the type it was trained in: weights serve in float32 anywhere."""
    return {
        name: without_dtype(value) if isinstance(value, Mapping) else value
        for name, value in fields.items()
        if name != "dtype"
    }


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", required=True, help="the run's config file")
    parser.add_argument("--workdir", required=True, help="the run's working directory")
    parser.add_argument("--output", required=True, help="the .safetensors file to write")
    parser.add_argument("--dtype", default="float16", help="float16 or float32")
    parser.add_argument("--about", default="{}", help="facts for the model card, JSON")
    arguments = parser.parse_args()
    try:
        step = export(
            arguments.config,
            arguments.workdir,
            arguments.output,
            dtype=arguments.dtype,
            about=json.loads(arguments.about),
        )
    except InputError as error:
        sys.exit(f"export: {error}")
    print(f"{arguments.output}: weights of step {step}")


if __name__ == "__main__":
    main()
