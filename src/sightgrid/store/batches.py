"""Long lists in parts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

A_BATCH = 500
T = TypeVar("T")


def in_batches(all_of_them: Iterable[T]) -> Iterator[list[T]]:
    """So many at a time as every database takes in one question and memory holds easily."""
    rest = iter(all_of_them)
    while batch := list(islice(rest, A_BATCH)):
        yield batch
