"""Lease files read as what they are: their source's, or what a file of the settings begins like."""

from __future__ import annotations

from leasewatch.files import reading
from leasewatch.model import LeaseFile
from leasewatch.sources import registry
from leasewatch.sources.source import Source


def first(file: LeaseFile) -> Source:
    """How a file is read before anything is known of what it holds."""
    return registry.BY_NAME[file.kind]


def read(file: LeaseFile, known: Source) -> tuple[Source, reading.Read]:
    """The file's bytes, and how they are to be read, `known` so far. Raises OSError."""
    found = reading.read_parts(file.path, known.before) if known.before else reading.read(file.path)
    if file.kind != registry.TOLD_BY_CONTENT:
        return known, found
    source = registry.told_by(found.data) or known
    if source is not known and source.before:
        found = reading.read_parts(file.path, source.before)
    return source, found
