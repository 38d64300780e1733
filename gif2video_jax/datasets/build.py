"""Builds a data set for TFDS.

    python -m gif2video_jax.datasets.build gif_faces/g32_dither --manual-dir FOLDER --workers 8

What `tfds build` does too, where all that TFDS's own command needs is installed. A build that was
stopped goes on from its finished shards when the same command is given again.
"""

import argparse
import os
import sys
from collections.abc import Sequence

from gif2video_jax.datasets import TFDS_DATASETS
from gif2video_jax.datasets.commands import exit_code
from gif2video_jax.errors import InputError


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit code (0 done, 1 bad input; wrong usage exits with 2)."""
    options = _parser().parse_args(arguments)
    return exit_code(
        lambda: _build(options), stopped="the same command goes on from the finished shards"
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m gif2video_jax.datasets.build", description=__doc__.split("\n")[0]
    )
    parser.add_argument("name", help=f"one of {', '.join(TFDS_DATASETS)}, with /CONFIG if wanted")
    parser.add_argument("--manual-dir", help="folder of archives, or of pictures for gif_open")
    parser.add_argument("--data-dir", help="where TFDS keeps data sets, if not where it does")
    parser.add_argument("--workers", type=int, default=1, help="processes on this machine")
    parser.add_argument(
        "--beam-options", help="build on Apache Beam: options without --, with commas between"
    )
    parser.add_argument(
        "--file-format", choices=("array_record", "tfrecord"), help="default: array_record"
    )
    return parser


def _build(options: argparse.Namespace) -> None:
    try:
        import tensorflow_datasets as tfds

        from gif2video_jax.datasets.clip_builder import WORKERS_VARIABLE
    except ImportError as error:
        raise InputError(
            f"needs packages that are not installed ({error}): pip install '.[data]' in this "
            "project's folder"
        ) from None
    name, _, config = options.name.partition("/")
    if name not in TFDS_DATASETS:
        raise InputError(f"{name}: no such data set, expected one of {', '.join(TFDS_DATASETS)}")
    if options.manual_dir is not None and not os.path.isdir(options.manual_dir):
        raise InputError(f"{options.manual_dir}: no such folder, given as --manual-dir")
    try:
        builder = tfds.builder_cls(name)(
            config=config or None, data_dir=options.data_dir, file_format=options.file_format
        )
    except ValueError as error:
        raise InputError(str(error)) from None
    os.environ[WORKERS_VARIABLE] = str(options.workers)
    builder.download_and_prepare(
        download_config=tfds.download.DownloadConfig(
            manual_dir=options.manual_dir, beam_options=_beam_options(options.beam_options)
        )
    )
    for split, info in builder.info.splits.items():
        print(f"{split}: {info.num_examples} examples, {info.num_shards} shards")
    print(builder.data_path)


def _beam_options(text: str | None):
    if text is None:
        return None
    try:
        from apache_beam.options.pipeline_options import PipelineOptions
    except ImportError:
        raise InputError(
            "--beam-options needs apache-beam: pip install '.[beam]' in this project's folder"
        ) from None
    return PipelineOptions([f"--{option}" for option in text.split(",")])


if __name__ == "__main__":
    sys.exit(main())
