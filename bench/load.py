"""The load client and the publisher, as the scenarios use them. Both run on the load's core."""

from __future__ import annotations

import json
import pickle
import sys
import time
from pathlib import Path
from typing import Any

from bench.handover import Handover
from bench.processes import LOAD_CORE, Process
from bench.publisher import Job

ROOT = Path(__file__).parent.parent
WARM_UP_TRIES = 20


class LoadFailed(Exception):
    """The load client or the publisher could not do its part."""


class Commanded:
    """A program that answers each line with a line of JSON."""

    def __init__(self, program: Path, port: int, log: Path, *arguments: str) -> None:
        self._process = Process(
            [program, str(port), *arguments], core=LOAD_CORE, log=log, piped=True
        )

    def stop(self) -> None:
        self._process.stop()

    def _ask(self, command: str) -> dict[str, Any]:
        self._say(command)
        return self._hear()

    def _say(self, command: str) -> None:
        assert self._process.popen.stdin
        self._process.popen.stdin.write(command.encode() + b"\n")
        self._process.popen.stdin.flush()

    def _hear(self) -> dict[str, Any]:
        assert self._process.popen.stdout
        line = self._process.popen.stdout.readline()
        if not line:
            raise LoadFailed(f"{self._process.popen.args!r} ended\n{self._process.log_tail()}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise LoadFailed(answer["error"])
        return answer


class Load(Commanded):
    """`native/listen.c` as an object: see there for what each command does."""

    def expect(self, first: int, count: int) -> None:
        self._ask(f"expect {first} {count}")

    def at_once(self, count: int) -> None:
        """How many requests are under way while listeners are opened."""
        self._ask(f"at-once {count}")

    def open(
        self,
        channels: int,
        per_channel: int,
        path: str,
        *,
        after: str | None = None,
        how: str = "open",
    ) -> dict[str, Any]:
        """`how`: `open`, `ask` (do not wait for the head), `stall` or `ask-stall`."""
        answer = self._ask(f"{how} {channels} {per_channel} {path} {after or '-'}")
        if answer["bad_status"]:
            raise LoadFailed(
                f"{answer['bad_status']} of {answer['listeners']} streams were refused, "
                f"the first answer was {answer['status']}"
            )
        return answer

    def open_paths(self, paths: list[str]) -> dict[str, Any]:
        """One listener for each path."""
        return self._ask("\n".join([f"paths {len(paths)}", *paths]))

    def begin_wait(self, seconds: float, linger_ms: int = 200) -> None:
        self._say(f"wait {seconds} {linger_ms}")

    def end_wait(self) -> dict[str, Any]:
        return self._hear()

    def wait(self, seconds: float, linger_ms: int = 200) -> dict[str, Any]:
        self.begin_wait(seconds, linger_ms)
        return self.end_wait()

    def returns(self, last_id: str) -> None:
        """From now on those that are cut off come back."""
        self._ask(f"returns {last_id}")

    def back(self) -> dict[str, Any]:
        """How many were cut off and are back since `returns`."""
        return self._ask("back")

    def head(self) -> str:
        """The first bytes that the first listener received."""
        return str(self._ask("head")["head"])

    def close(self) -> None:
        self._ask("close")


class Loads:
    """Several load clients that hear the same events, as one."""

    def __init__(self, loads: list[Load]) -> None:
        self._loads = loads

    def expect(self, first: int, count: int) -> None:
        for load in self._loads:
            load.expect(first, count)

    def wait(self, seconds: float, linger_ms: int = 200) -> dict[str, Any]:
        """Counts are sums, latencies the worst of any."""
        for load in self._loads:
            load.begin_wait(seconds, linger_ms)
        found = [load.end_wait() for load in self._loads]
        joined = dict(found[0])
        for name in (
            "deliveries",
            "missing",
            "doubled_or_late",
            "excess",
            "receives",
            "cpu_seconds",
        ):
            joined[name] = sum(one[name] for one in found)
        for name in ("p50_ms", "p99_ms", "max_ms", "last_arrival_us", "timed_out"):
            joined[name] = max(one[name] for one in found)
        joined["first_stamp_us"] = min(one["first_stamp_us"] for one in found)
        return joined


class Publishing:
    """One run of the publisher: made ready beforehand, then told to go."""

    def __init__(self, job: Job, log: Path) -> None:
        self._process = Process(
            [sys.executable, "-m", "bench.publisher"],
            core=LOAD_CORE, log=log, cwd=ROOT, piped=True,
        )  # fmt: skip
        assert self._process.popen.stdin
        pickle.dump(job, self._process.popen.stdin)
        self._process.popen.stdin.flush()
        self._hear()

    def go(self) -> None:
        assert self._process.popen.stdin
        self._process.popen.stdin.write(b"go\n")
        self._process.popen.stdin.flush()

    def result(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self._hear())
        self._process.stop()
        if found["trouble"]:
            raise LoadFailed(f"publishing was answered: {found['trouble']}")
        return found

    def _hear(self) -> str:
        assert self._process.popen.stdout
        line = self._process.popen.stdout.readline().decode()
        if not line:
            self._process.stop()
            raise LoadFailed(f"the publisher ended\n{self._process.log_tail()}")
        return line


class Provider(Commanded):
    """`native/provider.c` as an object."""

    def __init__(self, program: Path, port: int, log: Path) -> None:
        super().__init__(program, port, log)
        self._process.wait_for_port(port)

    def wait_for(self, streams: int, seconds: float = 30) -> None:
        """Until so many streams wait to be started."""
        give_up = time.monotonic() + seconds
        while (waiting := self._ask("waiting")["waiting"]) < streams:
            if time.monotonic() > give_up:
                raise LoadFailed(f"{waiting} of {streams} streams were asked of the provider")
            time.sleep(0.02)

    def go(self, deltas: int, per_second: float) -> None:
        """Start the streams that wait. `per_second` 0: as fast as they are taken."""
        self._ask(f"go {deltas} {per_second}")

    def at_once(self, deltas: int, per_second: float) -> None:
        """From now on each stream begins as soon as it is asked for."""
        self._ask(f"at-once {deltas} {per_second}")

    def sent(self) -> dict[str, Any]:
        return self._ask("sent")


class Traffic:
    """Publishes to one set of channels and keeps count, so that every event is expected."""

    def __init__(self, load: Load | Loads, handover: Handover, log: Path) -> None:
        self._load = load
        self.handover = handover
        self._log = log
        self._next = 0
        self._calls = 0

    def warm_up(self, events: int, per_second: float) -> None:
        """Publish until a whole round of events has reached every listener.

        The head of an answer may come before the listener hears anything; what it misses until
        then is nobody's loss.
        """
        for _ in range(WARM_UP_TRIES):
            result = self.measure(events, per_second, seconds=events / per_second + 4)[0]
            if not result["missing"] and not result["timed_out"]:
                return
        raise LoadFailed(f"listeners did not come to hear everything: {result}")

    def measure(
        self, events: int, per_second: float | None, *, seconds: float, linger_ms: int = 200
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Publish `events` on each channel and wait until all have them: what the load client
        and what the publisher saw."""
        running = self.begin(events, per_second, seconds=seconds)
        running.go()
        arrived = self._load.wait(seconds, linger_ms)
        return arrived, running.result()

    def begin(self, events: int, per_second: float | None, *, seconds: float) -> Publishing:
        per_call = self.handover.events_per_call
        calls = events // per_call
        job = Job(
            handover=self.handover,
            calls=calls,
            calls_per_second=per_second and per_second / per_call,
            first=self._next,
            first_call=1_000_000_000 + self._calls,
            seconds=seconds,
        )
        publishing = Publishing(job, self._log)
        self._load.expect(self._next, calls * per_call)
        self._next += calls * per_call
        self._calls += calls
        return publishing
