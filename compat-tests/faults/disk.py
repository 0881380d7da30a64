"""A disk of its own for a broker: ext4 in a file, which can lose its power, be full, or be read only."""

import errno
import fcntl
import os
import struct
import subprocess

import pytest

from harness.run import run

_EXT4_IOC_SHUTDOWN = 0x8004587D
# Nothing that is only in memory reaches the disk any more, the file system's own log neither.
_NOLOGFLUSH = 2
_MIB = 1 << 20


def need_loop_devices(folder):
    """Skips the case where a file cannot be mounted, and says why."""
    if os.geteuid() != 0:
        pytest.skip("mounting a file needs root")
    image, path = folder / "probe.img", folder / "probe"
    path.mkdir(parents=True)
    make_image(image, 8)
    tried = subprocess.run(["mount", "-o", "loop", image, path], capture_output=True, text=True, check=False)
    if tried.returncode != 0:
        pytest.skip(f"a file cannot be mounted here: {tried.stderr.strip()}")
    run(["umount", path])


def make_image(image, size_mib):
    with open(image, "wb") as file:
        file.truncate(size_mib * _MIB)
    run(["mkfs.ext4", "-q", "-E", "lazy_itable_init=0", image])


class Disk:
    """An image, new unless it is there, and where it is mounted."""

    def __init__(self, folder, size_mib=None, image=None):
        folder.mkdir(parents=True, exist_ok=True)
        self.image = image or folder / "disk.img"
        self.path = folder / "disk"
        self.path.mkdir()
        self._ballast = self.path / "ballast"
        if size_mib:
            make_image(self.image, size_mib)
        self.mount()

    def mount(self):
        run(["mount", "-o", "loop", self.image, self.path])

    def unmount(self):
        run(["umount", self.path])

    def cut_power(self):
        folder = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.ioctl(folder, _EXT4_IOC_SHUTDOWN, struct.pack("I", _NOLOGFLUSH))
        finally:
            os.close(folder)

    def make_read_only(self):
        """As the file system makes itself when it finds an error: files stay open and cannot be written to."""
        run(["mount", "-o", "remount,abort", self.path])

    @property
    def free_mib(self):
        stat = os.statvfs(self.path)
        return stat.f_bavail * stat.f_frsize // _MIB

    def leave_mib(self, free):
        """Another file takes all but this; less is left if somebody else writes meanwhile."""
        with open(self._ballast, "wb") as ballast:
            try:
                os.posix_fallocate(ballast.fileno(), 0, max(1, (self.free_mib - free) * _MIB))
            except OSError as error:
                assert error.errno == errno.ENOSPC, error

    def fill(self):
        """Other files take all there is, what is kept for root as well."""
        with open(self.path / "ballast.rest", "wb") as rest:
            for step in (_MIB, 1 << 12):
                self._write_until_full(rest, bytes(step))

    @staticmethod
    def _write_until_full(file, piece):
        try:
            while True:
                os.write(file.fileno(), piece)
        except OSError as error:
            assert error.errno == errno.ENOSPC, error

    def drop_ballast(self):
        for file in self.path.glob("ballast*"):
            file.unlink()
