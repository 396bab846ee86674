"""The one-command stack: Valkey, the local model, a worker and the web, started, watched and ended.

`hubbub run`, `python app.py` and `make run` come here. Promises:

* Settings are checked before anything is started; a wrong one is one line and status 2.
* If a part dies, the others are ended and the launcher says which it was, with status 1.
* Ctrl-C, SIGTERM, SIGHUP, and with `--follow-parent` the parent's end, end everything within
  `HUB_GRACE_SECONDS` and a little: the web and the worker first, then the model, Valkey last, so
  that nobody is left without what it needs to finish. After kill -9 the kernel ends the parts
  (`parts/leash.py`).

Where `REDIS_URL` or `OPENAI_BASE_URL` name one, no part is started for it. Nothing is started
again: whoever needs that has a service manager, and it wants to see the failure.

One thread, no gevent: the launcher must stay able to act whatever state its parts are in.
"""

from __future__ import annotations

import os
import secrets
import selectors
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import IO, TypeVar

from hub.settings import SettingError, Settings
from hub.showing import printable, without_passwords
from hubbub import place
from hubbub.parts import address, model, valkey
from hubbub.parts.data import DataDirectory, remove_abandoned
from hubbub.parts.errors import CannotStart, PartDied, Stopped
from hubbub.parts.part import Part

START_SECONDS = 60.0
A_LITTLE_SECONDS = 2.0
NO_MODEL_URL = "http://127.0.0.1:9/v1"
"""Where nobody answers (RFC 863's port): a generation fails at once and in words."""

T = TypeVar("T")


def main(arguments: Sequence[str] = ()) -> int:
    """Run the stack until it is stopped (0), a part dies (1) or a setting is wrong (2)."""
    try:
        settings = Settings.from_environ(os.environ)
        settings.check_bind()
    except SettingError as error:
        print(f"hubbub: {error}", file=sys.stderr)
        return 2
    os.umask(0o077)  # what the parts make is their owner's alone
    launcher = Launcher(settings, follow_parent="--follow-parent" in arguments)
    try:
        launcher.start()
        launcher.watch()
    except Stopped as reason:
        say(f"Ending: {reason}")
        return 0
    except (CannotStart, PartDied) as error:
        print(f"hubbub: {error}", file=sys.stderr, flush=True)
        return 1
    finally:
        launcher.end()
    return 0


class Launcher:
    """`start`, then `watch`, which returns only by an exception, then `end`, whatever happened."""

    def __init__(self, settings: Settings, *, follow_parent: bool) -> None:
        self.settings = settings
        self.env = place.environ(os.environ)
        self._root = place.home() / ".hubbub"
        self.parts: dict[str, Part] = {}
        self._parent = os.getppid() if follow_parent else None
        self._stop: str | None = None
        self._impatient = False
        self._data: DataDirectory | None = None
        self._socket: Path | None = None
        self._wake, self._waker = socket.socketpair()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._wake, selectors.EVENT_READ)
        self._listen_to_signals()

    # --- starting

    def start(self) -> None:
        say("Hubbub is starting.")
        host, port = self.settings.host, self.settings.port
        with address.listening_socket(host, port, self._pause) as listening:
            remove_abandoned(self._root)
            self._data = DataDirectory(self._root, port)
            self._data.take(self._pause)
            port = listening.getsockname()[1]
            self.env["PORT"] = str(port)
            redis = self._start_valkey(self._data)
            answers = self._start_model(self._data)
            self._start("worker", _hubbub("worker"))
            self._start_web(listening)
        url = address.reachable(host, port)
        self._wait_until_ready(url)
        say(
            f"\nHubbub is ready:  http://{url}{self.settings.base_path}\n",
            f"  redis   {redis}",
            f"          REDIS_URL={without_passwords(self.env['REDIS_URL'])}",
            f"  model   {answers}",
            "  worker  calls the model and publishes what it says",
            f"  web     gunicorn, processes: {self.settings.web_concurrency}\n",
            "Ctrl-C ends everything.",
        )

    def _start_valkey(self, data: DataDirectory) -> str:
        if self.settings.redis_url:
            return "yours"
        binary = valkey.find_binary()
        if binary is None:
            raise CannotStart(
                "there is no embedded Valkey for this machine and no valkey-server or redis-server "
                "on the PATH: install one, or set REDIS_URL"
            )
        path = self._socket = valkey.socket_path(data.path)
        # It inherits the lock: the next instance waits until the last bytes have been written.
        part = self._start("valkey", valkey.command(binary, data.path, path), pass_fds=[data.lock])
        self._wait(lambda: valkey.answers(path), part, "to read its data")
        self.env["REDIS_URL"] = valkey.url(path)
        kept = "a restart loses nothing" if data.kept else "thrown away at the end (PORT=0)"
        return f"an embedded Valkey, its data in {_relative(data.path)}/: {kept}"

    def _start_model(self, data: DataDirectory) -> str:
        given = self.settings.openai_base_url or self.settings.providers_file
        if given:
            return f"yours, at {without_passwords(given)}"
        env = model.environ(self.env)
        if env is None:
            say(
                "There is no local model for this machine and this Python: set OPENAI_BASE_URL "
                "and OPENAI_API_KEY to have answers. The rest runs."
            )
            self.env["OPENAI_BASE_URL"] = NO_MODEL_URL
            return "none: set OPENAI_BASE_URL and OPENAI_API_KEY"
        if self.settings.model not in (None, model.NAME):
            say(f"HUB_MODEL is not used: the local model is {model.NAME}.")
        key = secrets.token_urlsafe(24)
        url = self._model_server({**env, model.KEY: key}, data)
        self.env |= {"OPENAI_BASE_URL": url, "OPENAI_API_KEY": key, "HUB_MODEL": model.NAME}
        return (
            "SmolLM2-135M on this machine's CPU: real, very small, often wrong;\n"
            "          for another set OPENAI_BASE_URL and OPENAI_API_KEY"
        )

    def _model_server(self, env: Mapping[str, str], data: DataDirectory) -> str:
        """Start it and read its address, the one line that it prints. Its base URL."""
        read, write = os.pipe()
        with (data.path / "model.log").open("wb") as log, open(read, "rb") as answer:
            try:
                part = self._start("model", model.command(), env=env, stdout=write, stderr=log)
            finally:
                os.close(write)
            os.set_blocking(read, False)
            line = self._wait(answer.readline, part, "to load")
        return f"{line.decode().strip()}/v1"

    def _start_web(self, listening: socket.socket) -> None:
        number = listening.fileno()
        self._start("web", _hubbub("web", "--bind", f"fd://{number}"), pass_fds=[number])

    def _wait_until_ready(self, url: str) -> None:
        said = ""
        patience = time.monotonic() + 5
        while True:
            status, text = address.ask(url, "/readyz")
            if status == 200:
                return
            if time.monotonic() > patience and text != said:
                said = text
                say(f"  still waiting: {text}")
            self._pause(0.1)

    def _start(
        self,
        name: str,
        command: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        stdout: int | None = None,
        stderr: IO[bytes] | None = None,
        pass_fds: Sequence[int] = (),
    ) -> Part:
        say(f"  starting {name}")
        part = Part(
            name,
            command,
            env=self.env if env is None else env,
            cwd=Path.cwd(),
            stdout=stdout,
            stderr=stderr,
            pass_fds=pass_fds,
        )
        self.parts[name] = part
        return part

    def _wait(self, condition: Callable[[], T], part: Part, what: str) -> T:
        give_up = time.monotonic() + START_SECONDS
        while not (value := condition()):
            if time.monotonic() > give_up:
                raise CannotStart(f"{part.name} took more than {START_SECONDS:.0f} s {what}")
            self._pause(0.02)
        return value

    # --- watching

    def watch(self) -> None:
        """Until a part dies or somebody asks for the end."""
        while True:
            self._pause(1.0)

    def _pause(self, seconds: float) -> None:
        """Wait so long, or until something has happened that ends everything."""
        self._sleep(seconds)
        if self._parent is not None and os.getppid() != self._parent:
            self._stop = self._stop or "the process that started it has ended"
        if self._stop:
            raise Stopped(self._stop)
        for part in self.parts.values():
            if part.ended():
                raise PartDied(self._obituary(part))

    def _sleep(self, seconds: float) -> None:
        """A signal, also the one that a child has ended, ends it early."""
        if self._selector.select(seconds):
            self._wake.recv(4096)

    def _obituary(self, part: Part) -> str:
        last = printable(self._data.last_line(f"{part.name}.log")) if self._data else ""
        return f"{part.name} {part.how_it_ended()}; ending the rest{last and f'. It said: {last}'}"

    def _listen_to_signals(self) -> None:
        for end in (self._wake, self._waker):
            end.setblocking(False)
        signal.set_wakeup_fd(self._waker.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._on_signal)
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup means what it says
            signal.signal(signal.SIGHUP, self._on_signal)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._impatient = self._stop is not None and number == signal.SIGINT
        self._stop = self._stop or signal.Signals(number).name

    # --- ending

    def end(self) -> None:
        """End all parts in their order. A second Ctrl-C does not wait."""
        self._end(self.settings.grace_seconds, "web", "worker")
        self._end(0, "model")
        self._end(3, "valkey")
        if self._data is not None:
            valkey.remove_socket(self._socket, self._data.path)
            self._data.close()
        if self.parts:
            say("Everything has ended.")

    def _end(self, grace_seconds: float, *names: str) -> None:
        parts = [self.parts[name] for name in names if name in self.parts]
        for part in parts:
            part.terminate()
        give_up = time.monotonic() + grace_seconds + A_LITTLE_SECONDS
        while not all(part.ended() for part in parts):
            if time.monotonic() > give_up or self._impatient:
                for part in parts:
                    part.kill()
            self._sleep(0.05)


def say(*lines: str) -> None:
    """Tell the user; that nobody reads it is no reason to fail."""
    try:
        print(*lines, sep="\n", flush=True)
    except OSError:
        pass


def _hubbub(*words: str) -> list[str]:
    """A command of ours by this interpreter. -P: the current folder is not searched for modules,
    and a `workers/` of the program that somebody is in does not hide ours."""
    return [sys.executable, "-P", "-m", "hubbub", *words]


def _relative(path: Path) -> str:
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
