"""Big tables in files: written once, mapped into memory, only the pages in use resident."""

from __future__ import annotations

import contextlib
import mmap
import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt


def save(file: Path, table: npt.NDArray[Any]) -> None:
    """Write a table for :func:`mapped`.

    Raises:
        OSError: it cannot be written.
    """
    with file.open("wb") as stream:
        np.save(stream, table)
        stream.flush()
        os.fsync(stream.fileno())
        # What has just been written is in memory in large pieces, and using one number of a piece makes the
        # whole of it resident in the process. Read anew, it comes page by page.
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def mapped(file: Path) -> npt.NDArray[Any]:
    """A table that :func:`save` has written, mapped into memory and shared between processes.

    Raises:
        OSError, ValueError: there is no such table.
    """
    table: npt.NDArray[Any] = np.load(file, mmap_mode="r", allow_pickle=False)
    pages = getattr(table, "_mmap", None)
    if pages is not None and hasattr(mmap, "MADV_RANDOM"):
        # A few rows here and there are read, whose neighbours nobody needs.
        with contextlib.suppress(OSError):
            pages.madvise(mmap.MADV_RANDOM)
    return table
