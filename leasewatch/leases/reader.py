"""Reads one lease file: as its source's, or, if the settings do not say, as what it begins like."""

from __future__ import annotations

from leasewatch.files.reading import Read
from leasewatch.model import LeaseFile
from leasewatch.sources import registry


class LeaseReader:
    """`source` says what the last read holds; before the first, what is known of the file."""

    def __init__(self, file: LeaseFile) -> None:
        self.source = registry.BY_NAME[file.kind]
        self._path = file.path
        self._told_by_content = file.kind == registry.TOLD_BY_CONTENT
        self._read = self.source.reader(file.path)

    def read(self) -> Read:
        """The file's bytes; raises OSError."""
        read = self._read()
        if not self._told_by_content:
            return read
        source = registry.told_by(read.data)
        if source is None or source is self.source:
            return read
        self.source, self._read = source, source.reader(self._path)
        return self._read()
