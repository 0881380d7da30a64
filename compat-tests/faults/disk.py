"""A disk of its own for a broker: ext4 in a file, whose power can be cut."""

import fcntl
import os
import struct

from harness.run import run

_EXT4_IOC_SHUTDOWN = 0x8004587D
# Nothing that is only in memory reaches the disk any more, the file system's own log neither.
_NOLOGFLUSH = 2


class Disk:
    """Needs to be root, for the loop device."""

    def __init__(self, folder, size_mib):
        self._image = folder / "disk.img"
        self.path = folder / "disk"
        self.path.mkdir(parents=True)
        with open(self._image, "wb") as image:
            image.truncate(size_mib << 20)
        run(["mkfs.ext4", "-q", "-E", "lazy_itable_init=0", self._image])
        self.mount()

    def mount(self):
        run(["mount", "-o", "loop", self._image, self.path])

    def unmount(self):
        run(["umount", self.path])

    def cut_power(self):
        folder = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.ioctl(folder, _EXT4_IOC_SHUTDOWN, struct.pack("I", _NOLOGFLUSH))
        finally:
            os.close(folder)
