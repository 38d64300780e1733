"""How the commands of data sets end: their exit codes, and one line for each mistake."""

import sys
from collections.abc import Callable

from gif2video_jax.errors import InputError


def exit_code(command: Callable[[], None], *, stopped: str) -> int:
    """Runs a command; returns its exit code: 0 done, 1 bad input, 130 stopped by Ctrl-C.

    Args:
      command: raises what it cannot do.
      stopped: what to say to somebody who stopped it, such as how it goes on.
    """
    try:
        command()
    except (InputError, ImportError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except OSError as error:  # a full disk, a folder that may not be written
        print(f"error: {error.filename or 'cannot write'}: {error.strerror}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"stopped; {stopped}", file=sys.stderr)
        return 130
    return 0
