"""The options that every command has which measures the bundled model on the test set."""

import argparse
import pathlib
from collections.abc import Callable


def measuring_parser(module: str, documentation: str | None) -> argparse.ArgumentParser:
    """A parser with those options; output goes to out/, in a folder named after the module.

    Args:
      module: the command's, in full.
      documentation: its docstring, of which the first line is shown.
    """
    parser = argparse.ArgumentParser(
        prog=f"python -m {module}", description=(documentation or "").partition("\n")[0]
    )
    add = parser.add_argument
    output = pathlib.Path("out") / module.rpartition(".")[2]
    add("--output", type=pathlib.Path, default=output, help="a folder")
    add(
        "--data",
        type=pathlib.Path,
        default=pathlib.Path("out/test_set"),
        help="where the public test set is fetched to, or a fetched corpus",
    )
    add("--clips", type=pathlib.Path, help="a folder of your own videos instead")
    add("--model", default="default", help="a bundled model")
    add("--weights", type=pathlib.Path, help="a folder of weights instead")
    return parser


def at_least(least: int) -> Callable[[str], int]:
    """A parser option's type: a whole number of so much or more."""

    def whole_number(text: str) -> int:
        value = int(text)
        if value < least:
            raise argparse.ArgumentTypeError(f"expected {least} or more, got {text}")
        return value

    return whole_number
