"""curl, run again with the last id whenever its status says that the transfer was cut."""

from __future__ import annotations

import subprocess
import sys
import time

from hub.sse import Parser
from tests.clients.programs.say import SHOWN, say

hub, generation_id = sys.argv[1:]
url = f"{hub}/generations/{generation_id}/events?format=text"


def listen() -> str:
    parser = Parser()
    while True:
        command = ["curl", "-sN", "--max-time", "60", url]
        for name, value in SHOWN.items():
            command += ["-H", f"{name}: {value}"]
        if parser.last_id:
            command += ["-H", f"Last-Event-ID: {parser.last_id}"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, bufsize=0) as curl:
            assert curl.stdout is not None
            while data := curl.stdout.read(65536):
                for event in parser.feed(data):
                    say(text=event.data)
        if curl.returncode == 0:
            return "status 0"
        parser = _resumed(parser)
        time.sleep(0.1)


def _resumed(parser: Parser) -> Parser:
    """A block that was cut in two is not to be joined with what comes after it."""
    fresh = Parser()
    fresh.last_id = parser.last_id
    return fresh


say(end=listen())
