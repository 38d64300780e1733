"""Independent programs and libraries that tests compare with; missing ones skip, or fail in CI.

An oracle that is not installed skips its test with a message that starts with "oracle missing:".
With GIF2VIDEO_REQUIRE_ORACLES=1 in the environment the same test fails instead, so that the full
run cannot pass with a comparison left out.
"""

import importlib
import os
import shutil
import types
from typing import NoReturn

import pytest

REQUIRE_VARIABLE = "GIF2VIDEO_REQUIRE_ORACLES"


def missing(what: str, reason: str = "") -> NoReturn:
    """Skips the running test because an oracle is missing, or fails it where all are required.

    While a file of tests is being imported, all of the file.
    """
    message = f"oracle missing: needs {what}" + (f": {reason}" if reason else "")
    if os.environ.get(REQUIRE_VARIABLE) == "1":
        pytest.fail(message, pytrace=False)
    pytest.skip(message, allow_module_level=True)


def require_program(name: str) -> str:
    """Returns the path of the program `name`, such as "gifsicle"; skips or fails without it."""
    path = shutil.which(name)
    if path is None:
        missing(name, "the program is not on the PATH")
    return path


def require_module(name: str) -> types.ModuleType:
    """Returns the imported module `name`, such as "torch"; skips or fails without it."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        missing(name, str(error))
