"""Programs run one at a time, each in a process of its own, and measured from outside.

    wall      from start to exit, interpreter and imports included
    cpu       user and system time of the process
    memory    the most at once beyond mapped files: RssAnon + RssShmem of /proc/PID/status, read
              every 10 ms. Pages of a mapped file can be dropped and read again; these cannot.
    resident  the most at once with mapped files: VmHWM, kept by the kernel; elsewhere ru_maxrss

Memory is that of the process alone, without processes it starts; none of the exporters does.
"""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

INTERVAL = 0.01  # seconds between two looks at a process
FIELD = re.compile(r"^(RssAnon|RssShmem|VmHWM):\s+(\d+) kB$", re.MULTILINE)


class Failed(Exception):
    """A program that did not end well; says why in one line."""


@dataclass(frozen=True)
class Run:
    wall: float  # seconds
    cpu: float  # seconds
    memory: int  # bytes; 0 where there is no /proc
    resident: int  # bytes


def run(command: Sequence[str | Path], *, limit: float = 1800) -> Run:
    """Run a program to its end; raises Failed when it fails or takes more than `limit` seconds."""
    start = time.perf_counter()
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        memory = resident = 0
        try:
            while True:
                now, high = _resident(process.pid)
                memory, resident = max(memory, now), max(resident, high)
                pid, status, usage = os.wait4(process.pid, os.WNOHANG)
                if pid:
                    break
                if time.perf_counter() - start > limit:
                    process.kill()
                time.sleep(INTERVAL)
        except BaseException:
            process.kill()
            raise
        wall = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode < 0:
            raise Failed(f"killed by signal {-process.returncode} after {wall:.0f} s")
        if process.returncode:
            log.seek(0)
            raise Failed(_reason(log.read()))
    if not resident:
        resident = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return Run(wall, usage.ru_utime + usage.ru_stime, memory, resident)


def _resident(pid: int) -> tuple[int, int]:
    """Bytes that a process holds now beyond mapped files, and the most it held with them."""
    try:
        found = dict(FIELD.findall(Path(f"/proc/{pid}/status").read_text()))
    except OSError:
        return 0, 0
    anonymous, shared, high = (int(found.get(key, 0)) for key in ("RssAnon", "RssShmem", "VmHWM"))
    return 1024 * (anonymous + shared), 1024 * high


def _reason(log: str) -> str:
    """The error that a Python program ended with, in one line."""
    lines = [line for line in log.splitlines() if line.strip()]
    errors = [line for line in lines if re.match(r"[\w.]*(Error|Exception|Failed|Fail)\b", line)]
    return (errors or lines or ["it said nothing"])[-1].strip()


def machine() -> str:
    """The processor, its cores and how busy they are."""
    name = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next((x.split(":")[1].strip() for x in lines if x.startswith("model name")), name)
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    return f"{name}, {os.cpu_count()} cores{load}, Python {platform.python_version()}"
