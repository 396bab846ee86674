"""Debian's redis-server, which has TLS (the wheel's Valkey has none): one, with a Sentinel, or a
Cluster, all with certificates of one authority."""

from __future__ import annotations

import datetime
import ipaddress
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import redis
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.support.deadline import eventually
from tests.support.process import Process, ReservedPort
from tests.support.real import redis_binary

NAME = "hub"
SLOTS = 16384


class Authority:
    """A certificate for 127.0.0.1 and the authority that has signed it, as files."""

    def __init__(self, directory: Path) -> None:
        self.ca, self.cert, self.key = (directory / name for name in ("ca.pem", "cert.pem", "key"))
        authority_key = ec.generate_private_key(ec.SECP256R1())
        authority = _signed("an authority of the tests", authority_key, None, authority_key)
        key = ec.generate_private_key(ec.SECP256R1())
        cert = _signed("127.0.0.1", key, authority, authority_key)
        self.ca.write_bytes(authority.public_bytes(serialization.Encoding.PEM))
        self.cert.write_bytes(cert.public_bytes(serialization.Encoding.PEM))
        self.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )

    def options(self) -> list[str]:
        """For redis-server, on its command line."""
        files = {"cert": self.cert, "key": self.key, "ca-cert": self.ca}
        pairs = [(f"--tls-{name}-file", str(path)) for name, path in files.items()]
        return [word for pair in pairs for word in pair] + ["--tls-auth-clients", "no"]


def _signed(name: str, key: Any, issuer: x509.Certificate | None, issuer_key: Any) -> Any:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
    )
    if issuer is not None:
        address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
        builder = builder.add_extension(x509.SubjectAlternativeName([address]), critical=False)
    return builder.sign(issuer_key, hashes.SHA256())


class TlsRedis(Process):
    """One server that speaks TLS alone. `options` are its own beside those of TLS."""

    def __init__(
        self, directory: Path, authority: Authority, options: Sequence[str] = (), name: str = "tls"
    ) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self.authority = authority
        self.reserved = ReservedPort()
        self.port = self.reserved.number
        place = ["--port", "0", "--tls-port", str(self.port), "--bind", "127.0.0.1"]
        command = [redis_binary(), *place, "--dir", str(directory), "--save", ""]
        super().__init__(name, [*command, *authority.options(), *options], directory / "log")

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def ask(self, *command: Any) -> Any:
        with redis.Redis(
            host="127.0.0.1", port=self.port, ssl=True, ssl_ca_certs=str(self.authority.ca)
        ) as client:
            return client.execute_command(*command)

    def start(self) -> TlsRedis:
        super().start()
        eventually(self._listens, 10)
        return self

    def _listens(self) -> bool:
        assert self.running, f"{self.name} ended while starting:\n{self.log()}"
        try:
            self.ask("PING")
        except redis.AuthenticationError:
            return True
        except redis.RedisError:
            return False
        return True

    def end(self) -> None:
        super().end()
        self.reserved.close()


class TlsSentinel(TlsRedis):
    """A Sentinel of its own that watches `primary`, with a name and a password of its own."""

    def __init__(
        self, directory: Path, primary: TlsRedis, *, primary_password: str, user: str, password: str
    ) -> None:
        super().__init__(directory, primary.authority, name="sentinel")
        conf = directory / "sentinel.conf"
        authority = primary.authority
        conf.write_text(
            f"port 0\ntls-port {self.port}\nbind 127.0.0.1\ndir {directory}\n"
            f"tls-cert-file {authority.cert}\ntls-key-file {authority.key}\n"
            f"tls-ca-cert-file {authority.ca}\ntls-auth-clients no\ntls-replication yes\n"
            f"sentinel monitor {NAME} 127.0.0.1 {primary.port} 1\n"
            f"sentinel auth-pass {NAME} {primary_password}\n"
            f"user default off\nuser {user} on >{password} +@all &*\n"
        )
        self.command = [redis_binary(), str(conf), "--sentinel"]


class _Node(TlsRedis):
    """One of a Cluster. Its bus has a port of its own: Redis' own choice, 10,000 behind the other,
    may be somebody else's."""

    def __init__(self, directory: Path, authority: Authority, name: str) -> None:
        self.bus = ReservedPort()
        options = ("--cluster-enabled", "yes", "--cluster-port", str(self.bus.number))
        super().__init__(directory, authority, (*options, "--tls-cluster", "yes"), name)

    def end(self) -> None:
        super().end()
        self.bus.close()


class TlsCluster:
    """Three primaries, each with a third of the slots."""

    def __init__(self, directory: Path, authority: Authority) -> None:
        self.nodes = [
            _Node(directory / str(number), authority, f"node{number}") for number in range(3)
        ]

    def start(self) -> TlsCluster:
        for number, node in enumerate(self.nodes):
            node.start()
            first, last = number * SLOTS // 3, (number + 1) * SLOTS // 3 - 1
            node.ask("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            node.ask("CLUSTER", "ADDSLOTSRANGE", first, last)
        first_node, *others = self.nodes
        for node in others:
            node.ask("CLUSTER", "MEET", "127.0.0.1", first_node.port, first_node.bus.number)
        for node in self.nodes:
            eventually(self._is_well(node), 20)
        return self

    @staticmethod
    def _is_well(node: TlsRedis) -> Callable[[], bool]:
        return lambda: b"cluster_state:ok" in _bytes(node.ask("CLUSTER", "INFO"))


def _bytes(reply: Any) -> bytes:
    if isinstance(reply, dict):
        return b"\r\n".join(
            f"{_text(name)}:{_text(value)}".encode() for name, value in reply.items()
        )
    return bytes(reply)


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
