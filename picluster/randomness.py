"""Random numbers without state: a hash of (seed, purpose, epoch, step, layer, node id, draw).

Numbers do not depend on the order of draws, so any division of the work draws the same. One code serves int32 numpy
arrays and int32 torch tensors, because it only multiplies, shifts and masks.
The 32-bit mixer is `lowbias32` (Wellons, "Prospecting for Hash Functions", 2018); scalars are folded with splitmix64
(Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014).
"""

from enum import IntEnum
from typing import Any, NamedTuple

_MASK_64 = (1 << 64) - 1
_GOLDEN_32 = 0x9E3779B9 - (1 << 32)  # as a signed 32-bit number


class Purpose(IntEnum):
    """Use of random numbers; different purposes never share any."""

    INIT = 1
    SHUFFLE = 2
    SAMPLE = 3
    DROPOUT = 4
    VALIDATE = 5
    GENERATE = 6
    PAIRS = 7
    ROUND = 8


class Key(NamedTuple):
    """Two signed 32-bit words that stand for all scalars of one draw."""

    low: int
    high: int

    @property
    def word(self) -> int:
        """Both halves as one unsigned 63-bit number, for libraries that want a seed."""
        return ((self.high & 0x7FFFFFFF) << 32) | (self.low & 0xFFFFFFFF)


def key(seed: int, purpose: Purpose, *scalars: int) -> Key:
    """The key of (seed, purpose, epoch, step, layer …); every scalar at its place counts."""
    state = _splitmix64(seed & _MASK_64)
    for scalar in (int(purpose), *scalars):
        state = _splitmix64(state ^ (scalar & _MASK_64))
    return Key(_signed_32(state), _signed_32(state >> 32))


def row_words(key: Key, ids: Any) -> Any:
    """One hashed word for each node id. `ids`: (N,) int32 array or tensor; returns (N,) int32."""
    return _lowbias32(ids ^ key.low)


def draw_words(key: Key, rows: Any, draws: Any) -> Any:
    """Words of (node, draw). `rows`: the words of `row_words`; `draws`: a number or an int32 array that broadcasts."""
    spread = _signed_32(draws * _GOLDEN_32) if isinstance(draws, int) else draws * _GOLDEN_32
    return _lowbias32((rows + spread) ^ key.high)


def _lowbias32(words: Any) -> Any:
    """Hash of `words`, an int32 array or tensor; its shifts are arithmetic, so copied sign bits are masked away."""
    words = words ^ ((words >> 16) & 0xFFFF)
    words = words * 0x7FEB352D
    words = words ^ ((words >> 15) & 0x1FFFF)
    words = words * (0x846CA68B - (1 << 32))
    return words ^ ((words >> 16) & 0xFFFF)


def _splitmix64(state: int) -> int:
    state = (state + 0x9E3779B97F4A7C15) & _MASK_64
    state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & _MASK_64
    state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & _MASK_64
    return state ^ (state >> 31)


def _signed_32(word: int) -> int:
    word &= 0xFFFFFFFF
    return word - (1 << 32) if word >> 31 else word
