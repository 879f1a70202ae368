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
    _read_by_row(getattr(table, "_mmap", None))
    # A plain array: a memmap costs some microseconds more at every use.
    return table.view(np.ndarray)


def _read_by_row(pages: Any) -> None:
    if pages is not None and hasattr(mmap, "MADV_RANDOM"):
        # A few rows here and there are read, whose neighbours nobody needs.
        with contextlib.suppress(OSError):
            pages.madvise(mmap.MADV_RANDOM)


def mapped_part(file: Path, start: int, shape: tuple[int, ...]) -> npt.NDArray[np.uint8]:
    """Bytes of a file, mapped into memory as a table.

    Raises:
        OSError, ValueError: there is no such part.
    """
    table = np.memmap(file, dtype=np.uint8, mode="r", offset=start, shape=shape)
    _read_by_row(getattr(table, "_mmap", None))
    return table.view(np.ndarray)
