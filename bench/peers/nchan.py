"""nginx with nchan, its memory store or its Redis store; one nginx worker."""

from __future__ import annotations

import os
from pathlib import Path

from bench.environment import Environment
from bench.handover import Handover, http_post, payload
from bench.peers.peer import Running, start, start_redis
from bench.processes import SERVER_CORE, Process, file_limit

_CONFIGURATION = """
load_module {module};
{user}
daemon off;
worker_processes 1;
pid {directory}/nginx.pid;
error_log {directory}/nginx.log error;
events {{ worker_connections {connections}; }}
http {{
    access_log off;
    keepalive_requests 100000000;
    client_body_buffer_size 64k;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    nchan_shared_memory_size 1024M;
    {upstream}
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location ~ ^/publish/(.+)$ {{
            nchan_publisher;
            nchan_channel_id $1;
            nchan_message_buffer_length 10000;
            nchan_message_timeout 10m;
            {store}
        }}
        location ~ ^/stream/(.+)$ {{
            nchan_subscriber eventsource;
            nchan_channel_id $1;
            nchan_subscriber_first_message newest;
            {store}
        }}
    }}
}}
"""
_UPSTREAM = "upstream store {{ nchan_redis_server redis://127.0.0.1:{port}; }}"


class Nchan:
    def __init__(self, store: str) -> None:
        self.name = "nchan" if store == "memory" else "nchan-redis"
        self.title = "nginx + nchan" if store == "memory" else "nginx + nchan on Redis"
        self._store = store

    def start(self, environment: Environment, log: Path) -> Running:
        redis = redis_port = None
        if self._store == "redis":
            redis, redis_port = start_redis(environment, log)
        directory = log.parent / f"{self.name}-nginx"
        directory.mkdir(exist_ok=True)

        def make(port: int) -> Process:
            configuration = directory / "nginx.conf"
            configuration.write_text(
                _CONFIGURATION.format(
                    module=environment.nchan,
                    user="user root;" if os.geteuid() == 0 else "",
                    directory=directory,
                    port=port,
                    connections=file_limit() - 100,
                    upstream=_UPSTREAM.format(port=redis_port) if redis else "",
                    store="nchan_redis_pass store;" if redis else "",
                )
            )
            return Process(
                [environment.nginx, "-p", directory, "-e", directory / "nginx.log",
                 "-c", configuration],
                core=SERVER_CORE, log=log,
            )  # fmt: skip

        server, port = start(make)

        def handover(prefix: str, channels: int, size: int) -> Handover:
            calls = [
                http_post(f"/publish/{prefix}-{n}", payload(size), "text/plain")
                for n in range(channels)
            ]
            return Handover(("127.0.0.1", port), calls, b"HTTP/1.1 20", "POST, pipelined")

        def post(prefix: str, channels: int, size: int, events: int) -> list[bytes]:
            assert events == 1
            return list(handover(prefix, channels, size).calls)

        return Running(
            server,
            port,
            lambda prefix: f"/stream/{prefix}-%d",
            handover,
            post=post,
            redis=redis,
        )
