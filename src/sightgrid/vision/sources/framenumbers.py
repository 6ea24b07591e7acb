"""Notices that a picture of H.264 is missing, which FFmpeg covers up with a copy of the last one.

Every picture carries ``frame_num`` (ITU-T H.264, 7.4.3): one more than that of the last picture
others are predicted from, or equal to it. A camera that loses a packet leaves a gap.
"""

from __future__ import annotations

from collections.abc import Iterator

_SLICE, _IDR_SLICE, _SPS = 1, 5, 7
# profiles whose SPS tells of chroma and bit depths (7.3.2.1.1)
_HIGH = frozenset({100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135})
_MOST_HEADER_BYTES = 64


class FrameNumbers:
    """Follows the numbers of one stream in Annex B."""

    def __init__(self, extradata: bytes | None = None) -> None:
        self._bits: int | None = None
        self._separate_planes = False
        self._gaps_allowed = False
        self._last: int | None = None
        if extradata:
            self.is_gap(extradata)

    def is_gap(self, packet: bytes) -> bool:
        """Whether pictures are missing between the packet before and this one.

        Of streams it can't read it says that none are.
        """
        try:
            return any([self._follow(unit) for unit in _units(packet)])
        except (IndexError, ValueError):
            return False

    def forget(self) -> None:
        """What comes next has nothing to do with what was."""
        self._last = None

    def _follow(self, unit: bytes) -> bool:
        kind, reference = unit[0] & 31, unit[0] >> 5 & 3
        if kind == _SPS:
            self._read_sps(_Bits(unit[1:]))
        elif kind in (_SLICE, _IDR_SLICE) and self._bits is not None:
            bits = _Bits(unit[1:])
            bits.exp_golomb()  # first_mb_in_slice
            bits.exp_golomb()  # slice_type
            bits.exp_golomb()  # pic_parameter_set_id
            if self._separate_planes:
                bits.take(2)
            number, last = bits.take(self._bits), self._last
            expected = (number, None) if last is None else (last, (last + 1) % (1 << self._bits))
            gap = kind == _SLICE and number not in expected and not self._gaps_allowed
            if reference:
                self._last = number
            return gap
        return False

    def _read_sps(self, bits: _Bits) -> None:
        profile = bits.take(8)
        bits.take(16)
        bits.exp_golomb()
        separate = False
        if profile in _HIGH:
            if bits.exp_golomb() == 3:
                separate = bool(bits.take(1))
            bits.exp_golomb()
            bits.exp_golomb()
            bits.take(1)
            if bits.take(1):
                raise ValueError("scaling matrices stand before what we look for")
        self._separate_planes = separate
        self._bits = bits.exp_golomb() + 4
        order = bits.exp_golomb()
        if order == 0:
            bits.exp_golomb()
        elif order == 1:
            bits.take(1)
            bits.exp_golomb()
            bits.exp_golomb()
            for _ in range(bits.exp_golomb()):
                bits.exp_golomb()
        bits.exp_golomb()
        self._gaps_allowed = bool(bits.take(1))


class _Bits:
    """Reads the head of a NAL unit bit by bit, its emulation prevention taken out."""

    def __init__(self, payload: bytes) -> None:
        plain = payload[:_MOST_HEADER_BYTES].replace(b"\x00\x00\x03", b"\x00\x00")
        self._value = int.from_bytes(plain, "big")
        self._left = 8 * len(plain)

    def take(self, count: int) -> int:
        if count > self._left:
            raise ValueError("the header ends early")
        self._left -= count
        return self._value >> self._left & (1 << count) - 1

    def exp_golomb(self) -> int:
        zeros = 0
        while not self.take(1):
            zeros += 1
        return (1 << zeros) - 1 + self.take(zeros)


def _units(packet: bytes) -> Iterator[bytes]:
    """The first bytes of each NAL unit after a start code."""
    at = packet.find(b"\x00\x00\x01")
    while at >= 0:
        start = at + 3
        if start < len(packet):
            yield packet[start : start + _MOST_HEADER_BYTES + 8]
        at = packet.find(b"\x00\x00\x01", start)
