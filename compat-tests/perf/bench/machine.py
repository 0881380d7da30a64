"""The machine that a run is made on."""

import mmap
import os
import platform
from pathlib import Path

GIB = 1 << 30
# More than a load fills, and the least that is left while it is touched.
TOUCHED_BYTES, SPARED_BYTES = 8 * GIB, 2 * GIB


def meminfo(name):
    (line,) = [line for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith(f"{name}:")]
    return int(line.split()[1]) * 1024


def describe(folder):
    """What figures depend on, and nothing by which this machine could be told from another."""
    cpu = [line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line]
    return {
        "CPU": cpu[0] if cpu else platform.machine(),
        "cores": os.cpu_count(),
        "memory GiB": round(meminfo("MemTotal") / GIB),
        "kernel": platform.release().split("-")[0],
        "file system": file_system(folder),
    }


def file_system(folder):
    mounts = [line.split()[1:3] for line in Path("/proc/mounts").read_text().splitlines()]
    path = Path(folder).resolve()
    within = [(len(at), kind) for at, kind in mounts if path.is_relative_to(at)]
    return max(within)[1] if within else "unknown"


def touch_memory():
    """Uses free memory once: the first use of a page is dear where the host must find it."""
    size = min(TOUCHED_BYTES, meminfo("MemAvailable") - SPARED_BYTES)
    child = os.fork()
    if child == 0:
        if size > 0:
            memory = mmap.mmap(-1, size)
            for at in range(0, size, mmap.PAGESIZE):
                memory[at] = 1
        os._exit(0)
    os.waitpid(child, 0)
