"""`leash.py SIGNAL PARENT COMMAND…`: become COMMAND, and get SIGNAL when the process PARENT ends.

A launcher that is killed with -9 cannot end its children; the kernel can (PR_SET_PDEATHSIG, which
outlives exec). A program of its own, not a `preexec_fn`: nothing of ours runs between fork and exec
of a process that may have threads. The kernel watches the *thread* that forked, so a launcher with
threads starts its children from one that stays.

Elsewhere than on Linux it only becomes COMMAND.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    signal_number, parent = int(arguments[0]), int(arguments[1])
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal_number, 0, 0, 0)
        if os.getppid() != parent:  # it ended before the kernel was told
            sys.exit(1)
    os.execvp(arguments[2], arguments[2:])


if __name__ == "__main__":
    main(sys.argv[1:])
