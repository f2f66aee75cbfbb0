"""Runs sitegen where the system grants no lock, as on network file systems without a lock daemon.

    python without_locks.py build

Linux answers every flock of this process with ENOLCK, by a seccomp filter.
"""

from __future__ import annotations

import ctypes
import errno
import platform
import struct
import sys

FLOCK = {"x86_64": 73, "aarch64": 32}  # its number among the system calls
PR_SET_SECCOMP, SECCOMP_MODE_FILTER, PR_SET_NO_NEW_PRIVS = 22, 2, 38
ALLOW, ERROR = 0x7FFF0000, 0x00050000


class Program(ctypes.Structure):
    """struct sock_fprog of linux/filter.h."""

    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def refuse_locks() -> None:
    """Raises OSError where the system cannot do this."""
    instructions = (
        (0x20, 0, 0, 0),  # load the number of the call
        (0x15, 0, 1, FLOCK[platform.machine()]),  # another: skip one
        (0x06, 0, 0, ERROR | errno.ENOLCK),
        (0x06, 0, 0, ALLOW),
    )
    filter = Program(4, b"".join(struct.pack("HBBI", *each) for each in instructions))
    libc = ctypes.CDLL(None, use_errno=True)
    for call in (
        (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0),
        (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(filter), 0, 0),
    ):
        if libc.prctl(*call) != 0:
            raise OSError(ctypes.get_errno(), "prctl")


if __name__ == "__main__":
    import fcntl  # not on Windows

    from sitegen.__main__ import main

    refuse_locks()
    try:
        fcntl.flock(sys.stdin, fcntl.LOCK_EX)
    except OSError as error:
        assert error.errno == errno.ENOLCK
        sys.exit(main())
    raise AssertionError("a lock was granted")
