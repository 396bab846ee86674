"""A machine that has Python, `venv`, `make` and little else: a container in which an ordinary user
has a copy of the checkout, in a folder with spaces and a home that cannot be written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.compose.engine import Engine
from tests.support.deadline import eventually

DOCKERFILE = """
FROM {image}
RUN (command -v make && python3 -m venv /tmp/venv || (apt-get update \\
    && apt-get install -y --no-install-recommends make python3-venv)) && rm -rf /tmp/venv
RUN [ -z "{packages}" ] || (apt-get update && apt-get install -y --no-install-recommends {packages})
RUN useradd --create-home --uid 1000 somebody && chmod 0555 /home/somebody \\
    && mkdir "/{folder}" && chown somebody "/{folder}"
USER somebody
WORKDIR "/{folder}"
ENV HOME=/home/somebody PORT=8000
CMD ["sh", "-c", "[ -d hubbub ] || cp -r /checkout hubbub; cd hubbub && exec {command}"]
"""

ASK = """
import json, time, urllib.request as u
u.install_opener(u.build_opener(u.ProxyHandler({})))
def get(path, body=None):
    head = {"Content-Type": "application/json"}
    asked = u.Request("http://127.0.0.1:8000" + path, body and json.dumps(body).encode(), head)
    return u.urlopen(asked, timeout=10).read().decode()
ready, page = json.loads(get("/readyz")), get("/")
asked = json.loads(get("/generations", {"prompt": "Say hello.", "max_tokens": 8}))
while (found := json.loads(get("/generations/" + asked["id"])))["status"] in ("queued", "running"):
    time.sleep(0.1)
print(json.dumps({"ready": ready, "page": page, "generation": found}))
"""


class Machine:
    """`packages` are what it has besides; `options` are `docker create`'s."""

    def __init__(
        self,
        engine: Engine,
        checkout: Path,
        place: Path,
        image: str,
        *,
        packages: str = "",
        folder: str = "a folder of mine",
        command: str = "make run",
        options: tuple[str, ...] = (),
    ) -> None:
        self.engine = engine
        self.name = f"hubbub-machine-{place.name}".lower()
        text = DOCKERFILE.format(image=image, packages=packages, folder=folder, command=command)
        (place / "Dockerfile").write_text(text)
        engine.docker("build", "-t", self.name, str(place), seconds=300)
        engine.docker("create", "--init", *options, "--name", self.name, self.name)
        engine.docker("cp", f"{checkout}/.", f"{self.name}:/checkout")

    def start(self) -> Machine:
        self.engine.docker("start", self.name)
        return self

    def log(self) -> str:
        return self.engine.logs(self.name)

    def ready(self, times: int = 1, within_seconds: float = 400) -> str:
        """What it said, once `make run` has been ready `times` times."""

        def said() -> str:
            log = self.log()
            assert self._runs(), log
            return log if log.count("Ctrl-C ends everything") == times else ""

        return eventually(said, within_seconds, every_seconds=0.5)

    def ended(self, within_seconds: float = 500) -> str:
        """What it said, once it has ended well."""
        eventually(lambda: not self._runs(), within_seconds, every_seconds=0.5)
        status = self.engine.docker("inspect", "-f", "{{.State.ExitCode}}", self.name).strip()
        assert status == "0", self.log()
        return self.log()

    def asked(self) -> dict[str, Any]:
        """`/readyz`, the first page, and the answer to a question, as seen inside."""
        command = ("exec", self.name, "python3", "-c", ASK)
        found: dict[str, Any] = json.loads(self.engine.docker(*command, seconds=180))
        return found

    def again_without_a_network(self) -> str:
        self.engine.docker("stop", "--time", "20", self.name)
        networks = "{{range $name, $_ := .NetworkSettings.Networks}}{{$name}} {{end}}"
        for network in self.engine.docker("inspect", "-f", networks, self.name).split():
            self.engine.docker("network", "disconnect", network, self.name)
        self.engine.docker("start", self.name)
        return self.ready(2, 60)

    def end(self) -> None:
        self.engine.docker("rm", "-f", self.name)

    def _runs(self) -> bool:
        state = self.engine.docker("inspect", "-f", "{{.State.Running}}", self.name)
        return state.strip() == "true"
