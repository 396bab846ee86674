"""Real nginx, Apache, HAProxy and Caddy before a hub, with the very lines of docs/proxies.md.

What is around those lines is what a site has that was there before: TLS, HTTP/2, and compression of
everything, the streams, too; in Caddy it is the page's own.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests

from tests.support.deadline import eventually
from tests.support.process import Process, ReservedPort
from tests.support.real import ROOT, missing
from tests.support.stack import Stack

PAGE = (ROOT / "docs" / "proxies.md").read_text()
UPSTREAM = "127.0.0.1:8000"
PREFIXES = ("", "/hub")
IDLE_SECONDS = 3
"""After which a front of short patience cuts a connection on which nothing comes."""

NGINX = """
daemon off; user root; pid {place}/pid; error_log {place}/error.log; worker_processes 1;
events {{ worker_connections 256; }}
http {{
    access_log off; gzip on; gzip_types text/event-stream application/json; gzip_min_length 1;
    types {{ }}
    client_body_temp_path {place}/body; proxy_temp_path {place}/proxy;
    fastcgi_temp_path {place}/f; uwsgi_temp_path {place}/u; scgi_temp_path {place}/s;
    server {{
        listen 127.0.0.1:{port} ssl http2;
        ssl_certificate {place}/cert.pem; ssl_certificate_key {place}/key.pem;
        {lines}
    }}
}}
"""

APACHE = """
ServerName 127.0.0.1
ServerRoot {place}
DefaultRuntimeDir {place}
PidFile {place}/pid
ErrorLog {place}/error.log
User www-data
Group www-data
{modules}
Listen 127.0.0.1:{port}
SSLEngine on
SSLCertificateFile {place}/cert.pem
SSLCertificateKeyFile {place}/key.pem
Protocols h2 http/1.1
SetOutputFilter DEFLATE
{lines}
"""
APACHE_FOLDER = "/usr/lib/apache2/modules"
APACHE_MODULES = (
    "mpm_event authz_core headers alias env filter deflate proxy proxy_http ssl http2 buffer"
)

HAPROXY = """
defaults
    mode http
    timeout connect 5s
    compression algo gzip
    compression type text/event-stream application/json text/html

{lines}
"""

CADDY = """
{{
    admin off
    auto_https disable_redirects
    servers {{
        protocols h1 h2
    }}
}}
https://127.0.0.1:{port} {{
    tls {place}/cert.pem {place}/key.pem
    {lines}
}}
"""


@dataclass(frozen=True, slots=True, eq=False)
class Kind:
    """A sort of proxy. `stand_ins` are words of the page's lines, and what the tests have for them;
    `impatient` the same for a front that waits `IDLE_SECONDS`."""

    heading: str
    program: str
    arguments: str
    configuration: str
    impatient: Mapping[str, str]
    stand_ins: Mapping[str, str] = field(default_factory=dict)

    def lines(self, prefix: str) -> str:
        section = PAGE.partition(f"\n## {self.heading}\n")[2].partition("\n## ")[0]
        at_root, under_hub = re.findall(r"```\w+\n(.*?)```", section, re.DOTALL)
        found: str = under_hub if prefix else at_root
        return found


KINDS = (
    Kind(
        "nginx",
        "nginx",
        "-e {place}/error.log -c {place}/configuration",
        NGINX,
        {"proxy_read_timeout 1h": f"proxy_read_timeout {IDLE_SECONDS}s"},
    ),
    Kind(
        "Apache",
        "apache2",
        "-D FOREGROUND -f {place}/configuration",
        APACHE,
        {"timeout=3600": f"timeout={IDLE_SECONDS}"},
    ),
    Kind(
        "HAProxy",
        "haproxy",
        "-db -f {place}/configuration",
        HAPROXY,
        {
            "timeout client 1h": f"timeout client {IDLE_SECONDS}s",
            "timeout server 1h": f"timeout server {IDLE_SECONDS}s",
        },
        {":443 ssl crt /etc/haproxy/site.pem": "127.0.0.1:{port} ssl crt {place}/both.pem"},
    ),
    Kind(
        "Caddy",
        "caddy",
        "run --adapter caddyfile --config {place}/configuration",
        CADDY,
        {
            "header_up -X-Forwarded-Prefix": "header_up -X-Forwarded-Prefix\n"
            f"transport http {{\nread_timeout {IDLE_SECONDS}s\n}}"
        },
    ),
)


class Front(Process):
    """One proxy before a hub; `url` is the hub's address there, with the prefix. `wrong` has words
    of the page, and what stands there where somebody has not read it."""

    def __init__(
        self,
        kind: Kind,
        hub: Stack,
        prefix: str,
        place: Path,
        *,
        patient: bool = True,
        wrong: Mapping[str, str] | None = None,
    ) -> None:
        path = f"{os.environ['PATH']}:/usr/sbin"
        binary = shutil.which(kind.program, path=path) or missing(f"{kind.program} (.ci/proxies)")
        self.kind, self.prefix = kind, prefix
        self._port = ReservedPort()
        self.origin = f"https://127.0.0.1:{self._port.number}"
        self.url = f"{self.origin}{prefix}"
        _write_certificate(place)
        lines = kind.lines(prefix)
        own = {
            name: words.format(place=place, port=self._port.number)
            for name, words in kind.stand_ins.items()
        }
        for words, instead in {
            UPSTREAM: urlsplit(hub.url).netloc,
            **own,
            **({} if patient else kind.impatient),
            **(wrong or {}),
        }.items():
            assert words in lines, f"docs/proxies.md has no {words!r} for {kind.heading}"
            lines = lines.replace(words, instead)
        modules = "\n".join(
            f"LoadModule {name}_module {APACHE_FOLDER}/mod_{name}.so"
            for name in APACHE_MODULES.split()
        )
        (place / "configuration").write_text(
            kind.configuration.format(
                place=place, port=self._port.number, lines=lines, modules=modules
            )
        )
        super().__init__(
            kind.heading,
            [binary, *kind.arguments.format(place=place).split()],
            place / "log",
            env={**os.environ, "XDG_DATA_HOME": str(place), "XDG_CONFIG_HOME": str(place)},
        )

    def start(self, answers: bool = True) -> Front:
        """Wait until the hub answers through it, or where it shall not, until itself does."""
        super().start()
        eventually(lambda: self._status() == 200 if answers else self._status() > 0, 15)
        return self

    def end(self) -> None:
        super().end()
        self._port.close()

    def at(self, path: str) -> requests.Response:
        """What stands at a path that has the prefix already."""
        return requests.get(self.origin + path, verify=False, timeout=15)

    def post(self, path: str, **options: Any) -> requests.Response:
        """To a path below the prefix."""
        return requests.post(self.url + path, verify=False, timeout=15, **options)

    def _status(self) -> int:
        assert self.running, f"{self.name} ended while starting:\n{self.log()}"
        try:
            return self.at(f"{self.prefix}/healthz").status_code
        except requests.ConnectionError:
            return 0


def _write_certificate(place: Path) -> None:
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1"
    names = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    key, certificate = place / "key.pem", place / "cert.pem"
    files = ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*command.split(), *names, *files], check=True, capture_output=True)
    (place / "both.pem").write_bytes(certificate.read_bytes() + key.read_bytes())
