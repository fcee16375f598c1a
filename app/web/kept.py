"""What was made once and will be asked for again: the newest answers, up to so many characters in all."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

T = TypeVar("T")


class Kept(Generic[T]):
    """A small memory. Texts are remembered by their hash, so that it holds no text but the answers."""

    def __init__(self, most: int, size: Callable[[T], int]) -> None:
        self._most = most
        self._size = size
        self._kept: OrderedDict[Hashable, T] = OrderedDict()
        self._held = 0

    def get(self, text: str, make: Callable[[], T], *more: Hashable) -> T:
        """Return the answer for a text, and whatever else it depends on; it is made where it is not known."""
        key = (hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest(), *more)
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        made = make()
        self.put(key, made)
        return made

    def find(self, key: Hashable) -> T | None:
        """Return the answer under a key, or None where none is kept."""
        if key not in self._kept:
            return None
        self._kept.move_to_end(key)
        return self._kept[key]

    def put(self, key: Hashable, made: T) -> None:
        """Keep an answer under a key, unless it is too long for that."""
        if (size := self._size(made)) <= self._most:
            self._held += size - self._drop(key)
            self._kept[key] = made
            while self._held > self._most:
                self._held -= self._drop(next(iter(self._kept)))

    def _drop(self, key: Hashable) -> int:
        """Forget one answer and return its size; 0 where it was not there, for threads may meet here."""
        gone = self._kept.pop(key, None)
        return 0 if gone is None else self._size(gone)
