"""Read streams with the `openai` package, as its documentation has it, and do nothing with them.

    openai_reader.py BASE_URL threads|async STREAMS

Prints the deltas read and the CPU seconds between the first chunk of all and the end.
"""

import asyncio
import json
import sys
import threading
import time

from openai import AsyncOpenAI, OpenAI

ASKED = {"model": "bench", "messages": [{"role": "user", "content": "go"}], "stream": True}


class Count:
    """Starts the clock when all streams have had their first chunk (the one with the role)."""

    def __init__(self, streams: int) -> None:
        self.deltas = 0
        self._missing = streams
        self._lock = threading.Lock()

    def first(self) -> None:
        with self._lock:
            self._missing -= 1
            if not self._missing:
                self.cpu_began = time.process_time()

    def finish(self) -> None:
        spent = time.process_time() - self.cpu_began
        print(json.dumps({"deltas": self.deltas, "cpu_seconds": spent}), flush=True)


def read(base_url: str, count: Count) -> None:
    client = OpenAI(base_url=base_url, api_key="none")
    deltas = 0
    for number, chunk in enumerate(client.chat.completions.create(**ASKED)):
        if not number:
            count.first()
        if chunk.choices[0].delta.content:
            deltas += 1
    count.deltas += deltas


async def read_async(client: AsyncOpenAI, count: Count) -> None:
    number = 0
    async for chunk in await client.chat.completions.create(**ASKED):
        if not number:
            count.first()
        number += 1
        if chunk.choices[0].delta.content:
            count.deltas += 1


async def read_all(base_url: str, streams: int, count: Count) -> None:
    client = AsyncOpenAI(base_url=base_url, api_key="none")
    await asyncio.gather(*(read_async(client, count) for _ in range(streams)))


def main(base_url: str, how: str, streams: int) -> None:
    count = Count(streams)
    if how == "async":
        asyncio.run(read_all(base_url, streams, count))
    else:
        threads = [threading.Thread(target=read, args=(base_url, count)) for _ in range(streams)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    count.finish()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
