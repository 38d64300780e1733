"""The open corpus: free pictures and clips that anybody can fetch, to train and measure on.

    python -m gif2video_jax.datasets.open_corpus fetch --output data/corpus
    python -m gif2video_jax.datasets.open_corpus pack --input data/corpus --output corpus.zip

`fetch` takes the pictures out of distribution packages, by the ordinary package clients, and
verifies them. `pack` makes one file for training, of the fetched corpus or of any folder of
pictures and videos. The list, with licences and origins, is `gif_open/open_corpus.json`.
"""

import argparse
import sys
from collections.abc import Sequence

from gif2video_jax.datasets.commands import exit_code
from gif2video_jax.datasets.corpus_fetch import fetch
from gif2video_jax.datasets.corpus_list import SPLITS, open_corpus_list
from gif2video_jax.datasets.corpus_pack import pack


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit code (0 done, 1 bad input; wrong usage exits with 2)."""
    options = _parser().parse_args(arguments)
    return exit_code(lambda: options.run(options), stopped="the same command goes on from here")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m gif2video_jax.datasets.open_corpus", description=__doc__.split("\n")[0]
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    fetching = commands.add_parser("fetch", help="fetch, verify and lay out the open corpus")
    fetching.add_argument("--output", required=True, help="folder to lay it out in")
    fetching.add_argument(
        "--from-folder", help="has the packages (.deb, .whl) already; download nothing"
    )
    fetching.add_argument(
        "--splits", nargs="+", choices=SPLITS, default=list(SPLITS), help="default: all"
    )
    fetching.set_defaults(run=_fetch)

    packing = commands.add_parser("pack", help="pack a folder into one file for training")
    packing.add_argument("--input", required=True, help="a fetched corpus, or your own pictures")
    packing.add_argument("--output", required=True, help="the ZIP file to write")
    packing.add_argument("--max-side", type=_positive, default=1024, help="of stills, pixels")
    packing.add_argument("--max-clip-side", type=_positive, default=384, help="of clips, pixels")
    packing.add_argument(
        "--max-megabytes", type=float, default=30, help="size of the file; 0 for no bound"
    )
    packing.add_argument("--overwrite", action="store_true", help="replace an existing file")
    packing.set_defaults(run=_pack)

    listing = commands.add_parser("list", help="print the list: file, split, licence, author")
    listing.set_defaults(run=_list)
    return parser


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"expected a positive number, got {text}")
    return value


def _report(line: str) -> None:
    print(line, file=sys.stderr)


def _fetch(options: argparse.Namespace) -> None:
    items = fetch(
        options.output, from_folder=options.from_folder, splits=options.splits, report=_report
    )
    counts = ", ".join(
        f"{sum(item.split == split and item.kind == kind for item in items)} {split} {kind}s"
        for split in options.splits
        for kind in ("still", "clip")
    )
    print(f"{options.output}: {counts}")


def _pack(options: argparse.Namespace) -> None:
    summary = pack(
        options.input,
        options.output,
        max_side=options.max_side,
        max_clip_side=options.max_clip_side,
        max_megabytes=options.max_megabytes or None,
        overwrite=options.overwrite,
        report=_report,
    )
    print(
        f"{options.output}: {summary.stills} stills, {summary.clips} clips of "
        f"{summary.clip_frames} frames, "
        f"{summary.bytes / 1e6:.1f} MB"
    )


def _list(options: argparse.Namespace) -> None:
    del options
    for file in open_corpus_list().files:
        print(file.place, file.licence, file.author, sep="\t")


if __name__ == "__main__":
    sys.exit(main())
