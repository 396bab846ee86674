"""The images that the Dockerfile and the compose file begin with, made of packages.

A registry of images is not within reach of every machine that runs these tests, Debian's packages
and Go's modules are. Each image is a file in a cache, made once; an engine imports it under the
name that the files of the project use. What differs from the published images is said here:
`python:3.11-slim` is Debian 12 with Debian's Python, `redis:7-alpine` is Debian's Redis 7.0, and
`caddy:2-alpine` holds Caddy's binary and nothing else.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "hubbub" / "images"
CADDY = "github.com/caddyserver/caddy/v2/cmd/caddy@v2.10.2"
SUITE = "bookworm"
AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")
PIP_CONFIGURATION = Path("/etc/pip.conf")


def _debian(target: Path, *packages: str, hooks: tuple[str, ...] = (), suite: str = SUITE) -> None:
    """A root file system with `packages`. Hooks are mmdebstrap's, run when they are installed."""
    command = ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={','.join(packages)}"]
    command += [f"--customize-hook={hook}" for hook in hooks]
    subprocess.run([*command, suite, str(target)], check=True, timeout=600)


def _python(target: Path) -> None:
    packages = ("ca-certificates", "python3", "python3-pip", "python-is-python3")
    managed = 'rm -f "$1"/usr/lib/python3.*/EXTERNALLY-MANAGED'
    _debian(target, *packages, hooks=(managed, *_this_machine_s()))


def _trixie(target: Path) -> None:
    packages = ("ca-certificates", "python3", "python3-venv", "make")
    _debian(target, *packages, hooks=_this_machine_s(), suite="trixie")


def _this_machine_s() -> tuple[str, ...]:
    """Behind a company's proxy it has an authority of its own, which pip needs inside, too."""
    files = (AUTHORITIES, PIP_CONFIGURATION)
    return tuple(f"copy-in {file} {file.parent}" for file in files if file.exists())


def _redis(target: Path) -> None:
    _debian(target, "redis-server", "redis-tools")


def _caddy(target: Path) -> None:
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        env = {**os.environ, "GOBIN": str(place / "usr" / "bin"), "CGO_ENABLED": "0"}
        subprocess.run(["go", "install", CADDY], env=env, check=True, timeout=900)
        (place / "tmp").mkdir(mode=0o1777)
        (place / "etc" / "ssl" / "certs").mkdir(parents=True)
        if AUTHORITIES.exists():
            shutil.copy(AUTHORITIES, place / "etc" / "ssl" / "certs")
        subprocess.run(["tar", "-C", name, "-cf", str(target), "."], check=True)


MAKERS: Mapping[str, Callable[[Path], None]] = {
    "python:3.11-slim": _python,
    "redis:7-alpine": _redis,
    "caddy:2-alpine": _caddy,
}

TRIXIE = "bare:trixie"
"""A Debian 13 for `make test-machines`, made only there."""

CHANGES: Mapping[str, tuple[str, ...]] = {
    "python:3.11-slim": (),
    "redis:7-alpine": ("WORKDIR /data", "VOLUME /data"),
    "caddy:2-alpine": (
        "ENV PATH=/usr/bin",
        "ENV XDG_DATA_HOME=/data",
        "ENV XDG_CONFIG_HOME=/config",
    ),
}
"""What the published images have in their configuration, as lines of a Dockerfile."""


def archive(image: str) -> Path:
    """The file of an image, made where it is not there yet."""
    CACHE.mkdir(parents=True, exist_ok=True)
    kept = CACHE / f"{image.replace(':', '-')}.tar"
    if not kept.exists():
        making = kept.with_suffix(f".{os.getpid()}.tar")
        try:
            (_trixie if image == TRIXIE else MAKERS[image])(making)
            making.rename(kept)
        finally:
            making.unlink(missing_ok=True)
    return kept


def archives() -> dict[str, Path]:
    """All of them, those that are missing made side by side."""
    with ThreadPoolExecutor(len(MAKERS)) as makers:
        return dict(zip(MAKERS, makers.map(archive, MAKERS), strict=True))


if __name__ == "__main__":
    for name, file in archives().items():
        print(f"{name}: {file} ({file.stat().st_size / 2**20:.0f} MiB)")
