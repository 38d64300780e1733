"""Files that appear only when they are whole: written beside their place first, then renamed."""

import os
import tempfile


def write_whole(path: str | os.PathLike, content: bytes) -> None:
    """Writes a file that appears only when it is whole."""
    path = os.fspath(path)
    handle, beside = tempfile.mkstemp(
        dir=os.path.dirname(path) or ".", prefix=f".{os.path.basename(path)}."
    )
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        put_in_place(beside, path)
    except BaseException:
        os.unlink(beside)
        raise


def put_in_place(temporary: str, path: str | os.PathLike) -> None:
    """Renames a file that `tempfile.mkstemp` made, with the rights of any new file.

    Only its owner may read a temporary file; a new one follows the umask.
    """
    umask = os.umask(0)
    os.umask(umask)
    os.chmod(temporary, 0o666 & ~umask)
    os.replace(temporary, path)
