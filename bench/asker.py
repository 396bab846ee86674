"""Asks for streamed completions at a pace, and looks when the first delta comes.

    python -m bench.asker PORT PATH MODEL PER_SECOND SECONDS

The provider stamps each delta when it writes it (native/provider.c), so what lies between the
asking and the first delta is known in two parts: the way there and the way back. Each request has
a connection of its own. Prints one line of JSON.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from typing import Any

KEY = "sk-0b6e7c1d9a3f4852a7c0d1e2f3948576b1a2c3d4e5f60718"
"""LiteLLM's proxy does not start without a long one; nobody else looks at it."""
_DELTA = re.compile(rb'"@\d{8}(\d{16}) ?"?')
_PATIENCE_SECONDS = 20.0
_TAIL = 64


async def ask(port: int, path: str, model: str, found: list[tuple[float, float]]) -> None:
    """One request, read to its end; the milliseconds there and back."""
    body = json.dumps(
        {"model": model, "stream": True, "messages": [{"role": "user", "content": "go"}]}
    ).encode()
    asked = time.monotonic()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {KEY}\r\nConnection: close\r\n"
        f"Content-Length: {len(body)}\r\n\r\n".encode()
        + body
    )
    seen, stamp, came = b"", None, 0.0
    while b"[DONE]" not in seen[-_TAIL:] and (data := await reader.read(65536)):
        seen += data
        if stamp is None:
            came = time.monotonic()
            stamp = _DELTA.search(seen)
    writer.close()
    if stamp is None:
        raise RuntimeError(f"there was no delta in {seen[:300]!r}")
    written = int(stamp[1]) / 1e6
    found.append(((written - asked) * 1000, (came - written) * 1000))


async def ask_all(
    port: int, path: str, model: str, per_second: float, seconds: float
) -> dict[str, Any]:
    found: list[tuple[float, float]] = []
    tasks = []
    began = time.monotonic()
    for number in range(max(1, int(per_second * seconds))):
        await asyncio.sleep(began + number / per_second - time.monotonic())
        tasks.append(asyncio.create_task(ask(port, path, model, found)))
    done, late = await asyncio.wait(tasks, timeout=_PATIENCE_SECONDS)
    for task in late:
        task.cancel()
    failed = [str(task.exception()) for task in done if task.exception()]
    there, back = sorted(one[0] for one in found), sorted(one[1] for one in found)
    both = sorted(sum(one) for one in found)
    return {
        "asked": len(tasks),
        "failed": len(failed) + len(late),
        "trouble": failed[0] if failed else "late" if late else "",
        **{
            f"{name}_{share}": values[min(len(values) - 1, len(values) * share // 100)]
            for name, values in (("there", there), ("back", back), ("first", both))
            for share in (50, 99)
            if values
        },
    }


if __name__ == "__main__":
    port, path, model, per_second, seconds = sys.argv[1:]
    print(json.dumps(asyncio.run(
        ask_all(int(port), path, model, float(per_second), float(seconds))
    )))  # fmt: skip
