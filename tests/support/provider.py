"""An OpenAI-compatible server that follows a script: the same text at every run, at a pace that the
test sets, with faults where the test wants them.

The prompt chooses the script (`provider.scripts[prompt]`); any other prompt is answered with
`text_for(prompt)`. Every request is kept in `provider.requests`.
"""

from __future__ import annotations

import json
import select
import socket
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MODEL = "scripted"


def text_for(prompt: str, words: int = 40) -> str:
    """Text with what is easily damaged on the way: leading spaces, line ends, UTF-8, markup."""
    pieces = [f"{prompt[:20]}:", "  indented\n", "\n", "ünï©ödé 🙂", "<b>&amp;</b>", "data: x\n"]
    pieces += [f"word{number}" for number in range(words)]
    return " ".join(pieces)


def deltas_of(text: str, size: int = 4) -> list[str]:
    return [text[at : at + size] for at in range(0, len(text), size)]


class Gate:
    """Lets deltas through one by one: nothing is sent until `release` or `open`."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._free = 0
        self._open = False

    def release(self, count: int = 1) -> None:
        with self._condition:
            self._free += count
            self._condition.notify_all()

    def open(self) -> None:
        with self._condition:
            self._open = True
            self._condition.notify_all()

    def pass_one(self, wait_seconds: float) -> bool:
        with self._condition:
            self._condition.wait_for(lambda: self._open or self._free > 0, wait_seconds)
            if self._open:
                return True
            if self._free:
                self._free -= 1
                return True
            return False


@dataclass
class Script:
    """How one prompt is answered. `gate` waits before each delta, `pace_seconds` passes after it.

    `status` other than 200 answers an error at once; `cut_after` breaks the connection after that
    many deltas; `chunks` are sent in place of the deltas, as they are (whole `data:` payloads; what
    is bytes, whole events).
    """

    text: str = ""
    deltas: Sequence[str] | None = None
    pace_seconds: float = 0.0
    gate: Gate | None = None
    status: int = 200
    error: object = None
    headers: dict[str, str] = field(default_factory=dict)
    cut_after: int | None = None
    chunks: Sequence[object] | None = None
    finish_reason: str = "stop"
    usage: bool = True


class Gone(Exception):
    """The caller closed its connection."""


class ScriptedProvider:
    """Listens on a free loopback port until `close`. `base_url` is what `OPENAI_BASE_URL` takes."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.scripts: dict[str, Script] = {}
        self.default: Script | None = None
        self.requests: list[dict[str, Any]] = []
        self.request_headers: list[dict[str, str]] = []
        self.running = 0
        self.abandoned = 0
        """How many answers the caller did not wait for."""
        self.closing = False
        self.lock = threading.Lock()
        provider = self

        class Handler(_Handler):
            owner = provider

        self._server = _Server((host, 0), Handler)
        self.port: int = self._server.server_address[1]
        self.base_url = f"http://{host}:{self.port}/v1"
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )
        self._thread.start()

    def script_for(self, prompt: str) -> Script:
        return self.scripts.get(prompt) or self.default or Script(text_for(prompt))

    def close(self) -> None:
        self.closing = True
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 512


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    owner: ScriptedProvider

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        self._answer(200, {"object": "list", "data": [{"id": MODEL, "object": "model"}]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)))
        prompt = _last_prompt(body)
        with self.owner.lock:
            self.owner.requests.append(body)
            self.owner.request_headers.append({k.lower(): v for k, v in self.headers.items()})
            self.owner.running += 1
        try:
            self._follow(self.owner.script_for(prompt), body)
        except (Gone, OSError):
            self.close_connection = True
            with self.owner.lock:
                self.owner.abandoned += 1
        finally:
            with self.owner.lock:
                self.owner.running -= 1

    def _follow(self, script: Script, body: dict[str, Any]) -> None:
        if script.status != 200:
            error = script.error or {"error": {"message": "as scripted"}}
            self._answer(script.status, error, script.headers)
            return
        if self.path.endswith("/embeddings"):
            self._answer(200, _embeddings(body))
            return
        deltas = deltas_of(script.text) if script.deltas is None else list(script.deltas)
        if not body.get("stream"):
            self._answer(200, _whole("".join(deltas), script.finish_reason))
            return
        self.send_response(200)
        for name, value in {
            "Content-Type": "text/event-stream",
            "Transfer-Encoding": "chunked",
            **script.headers,
        }.items():
            self.send_header(name, value)
        self.end_headers()
        chunks = [_chunk({"content": delta}) for delta in deltas]
        for number, chunk in enumerate(script.chunks if script.chunks is not None else chunks):
            if number == script.cut_after:
                self._break()
                return
            self._wait(script.gate)
            self._send(chunk)
            if script.pace_seconds:
                time.sleep(script.pace_seconds)
        if script.cut_after is not None:
            self._break()
            return
        if script.chunks is None:
            self._send(_chunk({}, script.finish_reason))
            if script.usage:
                self._send({**_chunk({}), "choices": [], "usage": _usage(len(deltas))})
            self._send("[DONE]")
        self.wfile.write(b"0\r\n\r\n")

    def _wait(self, gate: Gate | None) -> None:
        while gate is not None and not gate.pass_one(0.02):
            readable, _, _ = select.select([self.connection], [], [], 0)
            if self.owner.closing or (
                readable and not self.connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
            ):
                raise Gone

    def _send(self, chunk: object) -> None:
        if isinstance(chunk, bytes):
            data = chunk
        else:
            payload = chunk if isinstance(chunk, str) else json.dumps(chunk)
            data = f"data: {payload}\n\n".encode()
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

    def _answer(self, status: int, value: object, headers: Mapping[str, str] | None = None) -> None:
        data = value.encode() if isinstance(value, str) else json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        for name, text in (headers or {}).items():
            self.send_header(name, text)
        self.end_headers()
        self.wfile.write(data)

    def _break(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)


def _last_prompt(body: dict[str, Any]) -> str:
    content = body["messages"][-1].get("content") if body.get("messages") else ""
    if isinstance(content, list):
        return "".join(part.get("text", "") for part in content)
    return content or ""


def _chunk(delta: dict[str, Any], finish_reason: str | None = None) -> dict[str, Any]:
    return {
        "id": "chatcmpl-scripted",
        "object": "chat.completion.chunk",
        "created": 1700000000,
        "model": MODEL,
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}],
    }


def _embeddings(body: dict[str, Any]) -> dict[str, Any]:
    texts = body["input"] if isinstance(body["input"], list) else [body["input"]]
    data = [
        {
            "object": "embedding",
            "index": n,
            "embedding": [0.25, len(str(text)), 0.1234567890123456789],
        }
        for n, text in enumerate(texts)
    ]
    usage = {"prompt_tokens": 3, "total_tokens": 3}
    return {"object": "list", "data": data, "model": body["model"], "usage": usage}


def _usage(completion_tokens: int) -> dict[str, int]:
    return {
        "prompt_tokens": 7,
        "completion_tokens": completion_tokens,
        "total_tokens": 7 + completion_tokens,
    }


def _whole(text: str, finish_reason: str) -> dict[str, Any]:
    message = {"role": "assistant", "content": text}
    return {
        "id": "chatcmpl-scripted",
        "object": "chat.completion",
        "created": 1700000000,
        "model": MODEL,
        "choices": [{"index": 0, "message": message, "finish_reason": finish_reason}],
        "usage": _usage(len(deltas_of(text))),
    }
