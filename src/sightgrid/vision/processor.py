"""What this machine's processor can do."""

from __future__ import annotations

from functools import cache
from pathlib import Path

# x86 with 512 and 256 bits, ARM
_DOT_PRODUCTS = frozenset({"avx512_vnni", "avx_vnni", "asimddp"})
_CPUINFO = Path("/proc/cpuinfo")


@cache
def multiplies_bytes(cpuinfo: Path = _CPUINFO) -> bool:
    """Whether it has dot products of bytes that add up without saturating (VNNI, or DotProd on
    ARM). Without them networks in eight bits come out different, and no faster.

    ``False`` where the processor can't be asked.
    """
    try:
        lines = cpuinfo.read_text("utf-8", errors="replace").splitlines()
    except OSError:
        return False
    flags: set[str] = set()
    for line in lines:
        name, _, values = line.partition(":")
        if name.strip() in ("flags", "Features"):
            flags |= set(values.split())
    return not flags.isdisjoint(_DOT_PRODUCTS)
