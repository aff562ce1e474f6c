"""Formats that are recognised so that they can be named, and not read."""

from __future__ import annotations

import re
from typing import Final, NoReturn

from fingerprints.errors import CorruptCheckpoint, UnsupportedFormat
from fingerprints.readers.quoting import quoted
from fingerprints.readers.source import SourceFile

_TAR_MAGIC_AT: Final = 257


class TarReader:
    """Recognises tar archives: those of PyTorch before 0.1.10, of NeMo, or of anything else."""

    format = "tar"
    suffixes = (".tar", ".nemo")
    by_suffix = False
    readable = False

    def recognises(self, name: str, head: bytes) -> bool:
        """Whether the magic number of a tar archive is where it belongs."""
        return head[_TAR_MAGIC_AT : _TAR_MAGIC_AT + 5] == b"ustar"

    def read(self, source: SourceFile, shard: str) -> NoReturn:
        """Refuse the file."""
        raise UnsupportedFormat(
            f"{quoted(str(source.path))} is a tar archive of {source.size} bytes, which is not read",
            path=source.path,
            hint="unpack it and give the folder with the weights; PyTorch's own tar format of 2016 must be saved anew",
        )


class GitLfsPointer:
    """Recognises the small text file that Git LFS leaves where a large file was not downloaded."""

    format = "git-lfs-pointer"
    suffixes = ()
    by_suffix = False
    readable = False

    def recognises(self, name: str, head: bytes) -> bool:
        """Whether the file begins as every pointer does."""
        return head.startswith(b"version https://git-lfs")

    def read(self, source: SourceFile, shard: str) -> NoReturn:
        """Refuse the file, and say how large the weights are."""
        found = re.search(rb"^size (\d{1,18})$", source.head(1024), re.MULTILINE)
        expected = f"{int(found[1])} bytes expected" if found else "of unknown size"
        raise CorruptCheckpoint(
            f"{quoted(str(source.path))} is a Git LFS pointer of {source.size} bytes, not the weights ({expected})",
            path=source.path,
            hint="run `git lfs pull` in the repository, or download the file itself",
            limit=int(found[1]) if found else None,
            actual=source.size,
        )
