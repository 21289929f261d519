"""Ids of neighbours as a stream of bits, each as long as the largest needs: 18 bits where there are 233 thousand nodes.

Id number i begins at bit i · bits of little-endian 32-bit words. A spare word at the end lets every id be read from
two.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int32]
Words = NDArray[np.uint32]

_WORD = 32
_BLOCK_IDS = 1 << 20
"""A multiple of 32, so that a block begins at a word."""


def bits_for(nodes: int) -> int:
    """Bits of an id below `nodes`."""
    return max(1, (nodes - 1).bit_length())


def words_for(count: int, bits: int) -> int:
    """Number of words that hold `count` ids of `bits` bits: whole groups of 32 ids, and a spare word."""
    return -(-count // _WORD) * bits + 1


def pack_ids(ids: Ids, bits: int) -> Words:
    """Words (W,) of `ids` (E,), all from 0 to below 2 ** `bits`. ValueError where one is not."""
    if len(ids) and (int(ids.min()) < 0 or int(ids.max()) >> bits):
        raise ValueError(f"ids from {ids.min()} to {ids.max()} do not fit into {bits} bits")
    groups = -(-len(ids) // _WORD)
    columns = np.zeros((_WORD, groups), np.uint32)  # one row for each place in a group: rows are contiguous
    whole = len(ids) // _WORD
    columns[:, :whole] = ids[: whole * _WORD].view(np.uint32).reshape(whole, _WORD).T
    columns[: len(ids) - whole * _WORD, whole:] = ids[whole * _WORD :, None]
    packed = np.zeros((bits, groups), np.uint32)
    for place, column in enumerate(columns):
        word, shift = divmod(place * bits, _WORD)
        packed[word] |= column << np.uint32(shift)
        if shift + bits > _WORD:
            packed[word + 1] |= column >> np.uint32(_WORD - shift)
    words = np.zeros(words_for(len(ids), bits), np.uint32)
    words[:-1] = packed.T.ravel()
    return words


def unpack_ids(words: Words, count: int, bits: int) -> Ids:
    """Ids (count,) from the words of `pack_ids`."""
    groups = -(-count // _WORD)
    packed = np.ascontiguousarray(words[: groups * bits].reshape(groups, bits).T)
    ids, mask = np.empty((_WORD, groups), np.uint32), np.uint32((1 << bits) - 1)
    for place in range(_WORD):
        word, shift = divmod(place * bits, _WORD)
        np.right_shift(packed[word], np.uint32(shift), out=ids[place])
        if shift + bits > _WORD:
            ids[place] |= packed[word + 1] << np.uint32(_WORD - shift)
    ids &= mask
    return ids.T.ravel()[:count].view(np.int32)


def pack_in_blocks(ids: Ids, bits: int, words: Words) -> None:
    """Fill `words` (W,) with `ids` (E,), perhaps memory-mapped, a block at a time; see `pack_ids`."""
    for begin in range(0, len(ids), _BLOCK_IDS):
        block = pack_ids(ids[begin : begin + _BLOCK_IDS], bits)
        place = begin // _WORD * bits
        words[place : place + len(block) - 1] = block[:-1]


class PackedIds:
    """Packed ids that are read like an array of int32, by a slice or by an array of places."""

    def __init__(self, words: NDArray[Any], count: int, bits: int) -> None:
        """`words`: (W,), perhaps memory-mapped."""
        self._words: Words = np.asarray(words)  # as a plain array: every access to a memory map makes another one
        self._count, self._bits = count, bits
        self._mask = np.uint64((1 << bits) - 1)

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, places: slice | NDArray[np.int64]) -> Ids:
        """Ids at the places of a slice without a step, or of an array (n,); IndexError beyond the last."""
        return self._between(*places.indices(self._count)[:2]) if isinstance(places, slice) else self._at(places)

    def _between(self, begin: int, end: int) -> Ids:
        first = begin // _WORD
        words = self._words[first * self._bits : words_for(max(begin, end), self._bits)]
        skipped = begin - first * _WORD
        return unpack_ids(words, skipped + max(0, end - begin), self._bits)[skipped:]

    def _at(self, places: NDArray[np.int64]) -> Ids:
        if len(places) and (int(places.min()) < 0 or int(places.max()) >= self._count):
            raise IndexError(f"places from {places.min()} to {places.max()}, of {self._count} ids")
        begins = places.astype(np.int64) * self._bits
        word = begins >> 5
        begins &= _WORD - 1
        # Two look-ups of single words are faster than one of both; "clip" takes a shorter way, and clips nothing.
        pairs = np.empty((len(places), 2), "<u4")
        pairs[:, 0] = self._words.take(word, mode="clip")
        word += 1
        pairs[:, 1] = self._words.take(word, mode="clip")
        ids = pairs.view("<u8")[:, 0]
        ids >>= begins.view(np.uint64)
        ids &= self._mask
        return ids.astype(np.int32)
