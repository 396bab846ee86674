"""A container engine: the one that answers here or, for root, one of our own.

`python -m tests.compose.engine` tells whether there can be one here, and why not.

Debian's, with its socket, data and state in a folder of its own: it touches no other engine and
nothing of it is left. What it does to the machine beyond that (`ip_forward`, iptables' chains, the
bridge) is put back when it ends.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from tests.compose.base_images import CACHE, CHANGES, archives
from tests.support.deadline import eventually

PACKAGES = ("docker.io", "docker-compose", "iptables", "mmdebstrap")
PROGRAMS = ("dockerd", "docker-compose", "iptables-save", "mmdebstrap")
CADDY = CACHE / "caddy-2-alpine.tar"
_FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")
_TABLES = ("filter", "nat", "raw", "mangle")
_NETWORKS = "base=10.213.0.0/16,size=24"


class NoEngine(Exception):
    """Why there is none, in one line."""


def _answers(env: Mapping[str, str]) -> bool:
    try:
        done = subprocess.run(["docker", "info"], env=dict(env), capture_output=True, timeout=30)
    except OSError:
        return False
    return done.returncode == 0


def install() -> None:
    """What an engine of our own needs, from Debian's packages. Raises `NoEngine`."""
    if all(shutil.which(name) for name in PROGRAMS):
        return
    if not shutil.which("apt-get"):
        raise NoEngine(f"there is no apt-get to install {', '.join(PACKAGES)} with")
    # Installing Debian's engine starts its service, where services are started.
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    for words in (["update"], ["install", "-y", "--no-install-recommends", *PACKAGES]):
        done = subprocess.run(
            ["apt-get", "-q", *words], env=env, capture_output=True, text=True, timeout=600
        )
        if done.returncode:
            raise NoEngine(f"apt-get {words[0]} failed: {done.stderr.strip()[-300:]}")


class Engine:
    """`env` is what `docker` and compose need to find it."""

    def __init__(self) -> None:
        self.env = dict(os.environ)
        self._daemon: subprocess.Popen[bytes] | None = None
        self._place: Path | None = None
        self._forwarding = ""
        self._rules = ""

    def start(self) -> Engine:
        """Raises `NoEngine`."""
        if _answers(self.env):
            return self
        if os.geteuid() != 0:
            raise NoEngine("no engine answers, and only root can start one")
        install()
        if not CADDY.exists() and not shutil.which("go"):
            raise NoEngine("the image of Caddy is made with Go, which is not installed")
        self._place = Path(tempfile.mkdtemp(prefix="hubbub-engine-"))
        self._forwarding = _FORWARDING.read_text()
        self._rules = _run("iptables-save")
        socket = f"unix://{self._place}/engine.sock"
        self.env["DOCKER_HOST"] = socket
        command = ["dockerd", "--host", socket]
        for option, name in (("data-root", "data"), ("exec-root", "state"), ("pidfile", "pid")):
            command += [f"--{option}", str(self._place / name)]
        # Streams of a container's log must stay readable for the tests, and small.
        command += ["--default-address-pool", _NETWORKS, "--log-opt", "max-size=20m"]
        with (self._place / "log").open("wb") as log:
            self._daemon = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        eventually(self._up, 60)
        return self

    def import_base_images(self) -> Engine:
        """Into an engine of our own; another one fetches them, or has them."""
        if self._daemon is None:
            return self
        for image, file in archives().items():
            changes = [word for change in CHANGES[image] for word in ("--change", change)]
            self.docker("import", *changes, str(file), image)
        return self

    def _up(self) -> bool:
        assert self._daemon is not None and self._place is not None
        if self._daemon.poll() is not None:
            last = (self._place / "log").read_text(errors="replace")[-600:]
            raise NoEngine(f"dockerd ended: {last}")
        return _answers(self.env)

    def docker(self, *words: str, seconds: float = 120) -> str:
        """Run `docker …`; what it printed."""
        return _run("docker", *words, env=self.env, seconds=seconds)

    def logs(self, container: str) -> str:
        """What it said, on both streams."""
        done = subprocess.run(
            ["docker", "logs", container],
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=60,
        )
        return done.stdout

    def end(self) -> None:
        if self._daemon is None or self._place is None:
            return
        self._daemon.send_signal(signal.SIGTERM)
        self._daemon.wait(60)
        for table in _TABLES:
            if f"*{table}" not in self._rules:
                self._rules += f"*{table}\nCOMMIT\n"
        subprocess.run(["iptables-restore"], input=self._rules.encode(), check=True, timeout=30)
        subprocess.run(["ip", "link", "delete", "docker0"], capture_output=True, timeout=30)
        _FORWARDING.write_text(self._forwarding)
        mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
        for mount in sorted((m for m in mounts if m.startswith(str(self._place))), reverse=True):
            subprocess.run(["umount", "-l", mount], capture_output=True, timeout=30)
        shutil.rmtree(self._place, ignore_errors=True)


def _run(*command: str, env: Mapping[str, str] | None = None, seconds: float = 120) -> str:
    done = subprocess.run(
        command, env=env, capture_output=True, text=True, timeout=seconds, errors="replace"
    )
    assert done.returncode == 0, f"{' '.join(command)}:\n{done.stdout}{done.stderr}"
    return done.stdout


def main() -> int:
    engine = Engine()
    try:
        engine.start()
    except NoEngine as reason:
        print(reason)
        return 1
    finally:
        engine.end()
    return 0


if __name__ == "__main__":
    sys.exit(main())
