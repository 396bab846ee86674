"""The doctor's checks of the hub itself and of the way to it."""

from __future__ import annotations

import re
import socket
import ssl
import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from hub.address import is_loopback
from hub.client.causes import VERSIONS, cause
from hub.client.finding import Ill, Note, Patient
from hub.client.remote import CONNECT_SECONDS, Remote, RemoteError, channel_path
from hub.showing import without_passwords

SKEW_SECONDS = 30.0
"""Half of what the check of a token's `exp` bears (contract §7)."""

_ASKED_TIMES = 6
_STATIC = re.compile(r'(?:href|src)="([^"]*/static/[^"]+)"')

_NOT_READY = {
    "no-worker": ("none has been started, or it has another Redis", "hubbub worker"),
    "model-unavailable": (
        "the model's server does not answer the worker",
        "OPENAI_BASE_URL, OPENAI_API_KEY or HUB_PROVIDERS, where the worker runs",
    ),
    "redis-unavailable": (
        "Redis does not answer the hub",
        "REDIS_URL, where the hub runs, and the Redis that it names",
    ),
}


def answers(patient: Patient) -> str:
    try:
        found = patient.remote.call("GET", "/healthz")
    except RemoteError as error:
        if error.status == 404:
            raise Ill(
                f"nothing is at {patient.remote.url}/healthz",
                "the hub hangs under another path, or the proxy passes the path on and the hub "
                "was not told of it",
                f"start the hub with HUB_BASE_PATH={patient.prefix or '/its/path'}, or ask at the "
                "address that its pages have",
            ) from None
        raise
    if not isinstance(found, dict) or found.get("status") != "ok":
        raise Ill(
            f"something else than a hub answers at {patient.remote.url}",
            "another program has the port, or a proxy answers for the hub",
            "look at what HUB_URL and the proxy's upstream name",
        )
    return without_passwords(patient.remote.url)


def ready(patient: Patient) -> str:
    """What the hub's processes have asked their Redis at the start is asked again for this. What
    is tolerated all the same has findings of its own (`told`)."""
    try:
        patient.remote.call("GET", "/readyz")
    except RemoteError as error:
        unfit = cause(str(error)) if error.code == "redis-unfit" else None
        why, mend = unfit or _NOT_READY.get(error.code, ("the hub's log says it", ""))
        raise Ill(str(error), why, mend) from None
    return "Redis and a worker are there"


def told(patient: Patient) -> list[Note]:
    """A note for each thing that the hub says of itself; none where it is not ready."""
    try:
        found = patient.remote.call("GET", "/readyz")
    except RemoteError:
        return []
    notes = []
    for seen in [*found.get("warnings", []), *found.get("unwell", [])]:
        why, mend = cause(seen) or ("the hub's log says it", "")
        notes.append(Note(seen, why, mend))
    if "hint" in found:
        notes.append(Note(found["hint"], "the bundled model cannot load here", "what it says"))
    return notes


def one_version(patient: Patient) -> str:
    """Each time by a connection of its own, which may lead to another process."""
    versions = set()
    for _ in range(_ASKED_TIMES):
        try:
            found = patient.remote.answer("GET", "/readyz", headers={"Connection": "close"})
        except RemoteError:
            continue  # not ready, and that has been said
        versions.add(str(found.json().get("version", "an older one")))
    if len(versions) > 1:
        raise Note(f"web processes have {', '.join(sorted(versions))}", *VERSIONS)
    return next(iter(versions), "none of them is ready")


def knows_its_prefix(patient: Patient) -> str:
    """Every page names static files, with keys and without."""
    page = patient.remote.answer("GET", "/", headers={"Accept": "text/html"}).text
    found = _STATIC.search(page)
    written = urlsplit(found[1]).path if found else ""
    if not written.startswith(f"{patient.prefix}/static/"):
        raise Ill(
            f"the hub writes {written or 'no address'} and hangs under {patient.prefix or '/'}",
            "a proxy takes the path off, and the hub is not told of it: pages, links and "
            "Location lead elsewhere",
            f"HUB_BASE_PATH={patient.prefix or '/'} and a proxy that passes the path on, or "
            "X-Forwarded-Prefix from one in HUB_TRUSTED_PROXIES",
        )
    return f"its addresses begin with {patient.prefix}/"


def clocks(patient: Patient) -> str:
    began = time.time()
    answer = patient.remote.answer("GET", "/healthz")
    here = (began + time.time()) / 2
    try:
        there = parsedate_to_datetime(answer.headers["Date"]).astimezone(UTC).timestamp()
    except (KeyError, ValueError):
        raise Note("the hub's answers have no Date", "a proxy takes it out") from None
    off = there - here
    if abs(off) > SKEW_SECONDS:
        raise Ill(
            f"the hub's clock is {abs(off):.0f} s {'ahead of' if off > 0 else 'behind'} this one",
            "one of them is not set by NTP; tokens end early, or are not valid yet",
            "timedatectl set-ntp true, on the one that is wrong",
        )
    return f"within {SKEW_SECONDS:.0f} s of each other, at {_at(here)}"


def who_may(patient: Patient) -> str:
    with Remote(patient.remote.url) as nobody:
        try:
            nobody.call("GET", channel_path(patient.channel))
        except RemoteError as error:
            if error.status in (401, 403):
                return "a token is asked for"
            raise
    if is_loopback(patient.host):
        return "everybody on this machine: no key is set"
    raise Ill(
        "everybody who reaches it may listen, publish and ask: no key is set",
        "HUB_ALLOW_ANONYMOUS is set, or a proxy on the hub's machine leads to its loopback address",
        "HUB_JWT_SECRET=$(openssl rand -hex 32), and tokens by `hubbub token`",
    )


def secret(patient: Patient) -> str:
    if patient.scheme == "https":
        return "TLS"
    if is_loopback(patient.host):
        return "this machine alone"
    raise Ill(
        "plain HTTP over a network",
        "tokens and texts can be read on the way; browsers refuse notifications and the clipboard",
        "an address with https://, from a proxy in front (docs/proxies.md)",
    )


def direct(patient: Patient) -> str:
    proxy = patient.remote.proxy
    if not proxy:
        return "no proxy of the environment"
    raise Note(
        f"asked through {without_passwords(proxy)}",
        "HTTP_PROXY, HTTPS_PROXY or ALL_PROXY is set; such proxies hold streams back",
        f"NO_PROXY={patient.host}",
    )


def six_connections(patient: Patient) -> str:
    """Which protocol the front offers; a browser speaks HTTP/2 only over TLS."""
    if patient.scheme == "https" and _offers_http2(patient.remote.url):
        return "HTTP/2: any number of streams for a page"
    raise Note(
        "HTTP/1.1: a browser opens six connections to it, for all tabs together",
        "the seventh stream, and every request after it, waits in silence",
        "one stream for several channels (/events?channel=a&channel=b), our browser module, or "
        "HTTP/2 in a proxy in front (docs/proxies.md)",
    )


def _offers_http2(url: str) -> bool:
    parts = urlsplit(url)
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # nothing is sent
    context.set_alpn_protocols(["h2", "http/1.1"])
    address = (parts.hostname or "", parts.port or 443)
    try:
        with (
            socket.create_connection(address, CONNECT_SECONDS) as plain,
            context.wrap_socket(plain, server_hostname=parts.hostname) as secure,
        ):
            return secure.selected_alpn_protocol() == "h2"
    except OSError:
        return False


def _at(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%H:%M:%SZ")
