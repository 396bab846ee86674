"""The command `hubbub`: which module answers to its first word.

`web` and `worker` become servers in this process, which gevent patches once they have begun: what
another command needs (requests, Redis' client) must not be imported before that. So a module is
looked up only when its word was said, and this one imports next to nothing.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module

_OWN = {
    "run": "hubbub.launcher",
    "web": "hubbub.web",
    "worker": "workers.__main__",
    "token": "hubbub.token",
}
_CLIENT = "hubbub.commands.program"
_HELP = frozenset({"-h", "--help"})


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; its exit status. `arguments` are the process' own unless given."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    module = _CLIENT
    if words and (words[0] == "token" or not _HELP & set(words)):
        module = _OWN.get(words[0], _CLIENT)
    if module != _CLIENT:
        words = words[1:]
        # Code of one's own lies in the current folder, which is searched last: in front, where
        # gunicorn would put it, a `workers/` of somebody's program would hide ours.
        if os.getcwd() not in sys.path:
            sys.path.append(os.getcwd())
    try:
        command = import_module(module)
    except KeyboardInterrupt:  # while it is still being loaded
        return 130
    status: int = command.main(words)
    return status
