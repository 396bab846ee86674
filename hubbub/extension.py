"""A Flask extension, for an application that has its own users and routes (contract §6).

    from hub import Hubbub

    hubbub = Hubbub()
    hubbub.init_app(app)

    @app.get("/inbox")
    @login_required
    def inbox():
        return hubbub.stream(f"user:{current_user.id}:inbox")

Who may do what is the application's business: its views decide before they call, and the one
function that `authorize` names decides for the hub's own routes (`blueprint`). The streams are
those of the hub's own routes: resume, heartbeats, snapshots, catch-up. Under our gunicorn worker a
socket is taken over, elsewhere the response is an ordinary one; the application's `before_request`,
`after_request`, sessions and error handlers stay as they are; an error of ours that it has no
handler for leaves as a problem (`hub.web.problems`).

Nothing is connected before it is used, and nothing is shared with a process that was forked.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any, TypeVar

import click
from flask import Flask, Response, current_app, request
from flask.cli import AppGroup

from hub.access.gate import May
from hub.channel import check_channel
from hub.client.hub import Hub, Message
from hub.errors import FieldError, NotFound
from hub.fanout.delivery import Delivery
from hub.fanout.subscribe import SubscribeOptions
from hub.process import PerProcess
from hub.settings import Settings
from hub.store.history import History, IdempotencyKey
from hub.store.redis_link import RedisLink
from hub.web import problems
from hub.web.delivery_thread import DeliveryThread, delivery_for_server
from hub.web.request_head import head_of
from hub.web.stream_response import HEADERS, subscribe
from hubbub.application import application_of
from hubbub.configuration import environ_of, settings_of
from hubbub.mounted import current_rule, mounted_blueprint
from workers.dialects import dialect_of
from workers.generation import Generation
from workers.kind import GenerationKind
from workers.queue import Queue
from workers.request import Request, request_from_json
from workers.store import Generations

_Rule = TypeVar("_Rule", bound=May)

_EXTENSION = "hubbub.extension"
_JOIN_TRIES = 50
_LABEL = re.compile(r"([A-Za-z0-9_-]{8,64})~(.*)")
"""An id on an `ask` stream: the generation's, and the event's behind it."""


@dataclass(frozen=True)
class _Parts:
    """What one process of one application has."""

    hub: Hub
    generations: Generations
    delivery: Delivery
    routes: Callable[[], Flask]


class Hubbub:
    """One for any number of applications: `Hubbub(app)`, or `init_app` in a factory."""

    def __init__(self, app: Flask | None = None) -> None:
        self._rule: May | None = None
        self.blueprint = mounted_blueprint(lambda: self._here().routes(), lambda: self._rule)
        """The hub's own routes, for `register_blueprint`; `authorize` says who may."""
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Read the settings: `app.config["HUBBUB_…"]` first, then the environment. Raises
        `hub.settings.SettingError`, which names the one that is wrong."""
        settings = settings_of(app.config, os.environ)
        app.extensions[_EXTENSION] = PerProcess(partial(_made, settings))
        app.extensions["hubbub"] = lambda: self._of(app).delivery
        app.cli.add_command(_commands())
        problems.register_beside(app)

    def close(self, app: Flask) -> None:
        """End what this process has of the application: its connections, and its streams' thread
        where there is one. It is made again when it is used."""
        of_processes: PerProcess[_Parts] = app.extensions[_EXTENSION]
        parts = of_processes.forget()
        if parts is not None:
            thread = DeliveryThread.of(parts.delivery)
            if thread is not None:
                thread.stop()
            parts.hub.close()

    def authorize(self, rule: _Rule) -> _Rule:
        """Decorate the one function that decides what the blueprint's routes may be used for:
        `(identity, action, channel) -> bool`, called within the program's own request.

        `action` is a `hub.identity.Action`, which equals its word (`"subscribe"`); `channel` is ''
        where there is none. `identity` is of the token that was shown, where the settings have a
        key; else nobody's in particular. Without this function nothing is allowed.
        """
        self._rule = rule
        return rule

    # ── streams ──────────────────────────────────────────────────────────────────────────────

    def stream(
        self,
        *channels: str | Generation,
        format: str | None = None,
        start: str | None = None,
    ) -> Response:
        """Answer the current request with a stream of channels, or of a generation in one of its
        formats. The client's query and `Last-Event-ID` are those of contract §2.

        `start` (`now`, `start`, `snapshot`) stands where the client did not ask for a beginning.
        Raises `hub.errors.RequestError`.
        """
        names = [
            one.channel if isinstance(one, Generation) else check_channel(one) for one in channels
        ]
        if not names:
            raise FieldError("channel", "name at least one")
        return subscribe(self._here().delivery, names, dialect=dialect_of(format), start=start)

    def ask(
        self, prompt: str | None = None, *, format: str | None = None, owner: str = "", **body: Any
    ) -> Response:
        """Ask, and answer the current `GET` with the answer's stream, as
        `new EventSource("/ask?question=…")` wants it: `generate` and `stream` in one.

        Safe to repeat. Each id of the stream names the generation, so a browser that comes back is
        led back to it. One that was cut off before it saw an id, or a second tab with the same
        question, joins the answer while it is being given: nobody asks, or pays, twice.
        """
        here, dialect = self._here(), dialect_of(format)
        head = head_of(request.environ)
        options = SubscribeOptions.of(
            request.args, head.headers.get("last-event-id"), here.hub.settings.heartbeat_seconds
        )
        known = _LABEL.fullmatch(options.last_id or "")
        if known:
            generation = here.generations.brief(known[1])
            if generation.owner != owner:
                raise NotFound(f"there is no {generation.channel}")
            options = replace(options, last_id=known[2])
        else:
            asked = request_from_json(_body(prompt, body), here.hub.settings.models)
            if request.method == "HEAD":  # Flask lets one come to every view for GET
                return Response(headers=HEADERS)
            asker, question = owner or head.address, f"ask {head.path}?{head.query}"
            generation = _joined(here.generations, asked, owner, asker, question)
            options = replace(options, last_id=None)
        options = replace(options, label=f"{generation.id}~")
        return subscribe(
            here.delivery, [generation.channel], dialect=dialect, start="start", options=options
        )

    # ── generations and events ───────────────────────────────────────────────────────────────

    def generate(
        self,
        prompt: str | None = None,
        *,
        owner: str = "",
        idempotency_key: str | None = None,
        **body: Any,
    ) -> Generation:
        """Queue a question for the workers: `prompt`, or `messages` and what else a body of
        `POST /generations` holds. `owner` may list it later (`generations`).

        With an `idempotency_key` a repeat within ten minutes returns the first generation. Raises
        `FieldError`, `KeyReused`, `RedisUnavailable`.
        """
        here = self._here()
        given = _body(prompt, body)
        key = None
        if idempotency_key is not None:
            key = IdempotencyKey.of(owner, idempotency_key, repr(sorted(given.items())).encode())
        asked = request_from_json(given, here.hub.settings.models)
        return here.generations.create(asked, owner=owner, key=key).generation

    def generation(self, generation_id: str) -> Generation:
        """Raises `NotFound`."""
        return self._here().generations.brief(generation_id)

    def generations(self, owner: str, limit: int = 20) -> list[Generation]:
        """An owner's, the newest first."""
        return self._here().generations.newest(limit, owner)

    def cancel(self, generation: Generation | str, by: str = "") -> Generation:
        """Stop it, running or not yet; its text so far is kept. Raises `NotFound`."""
        one = generation.id if isinstance(generation, Generation) else generation
        return self._here().generations.cancel(one, by or "application")

    def publish(
        self, channel: str, data: object, event: str | None = None, *, retry_ms: int | None = None
    ) -> str:
        """`hub.Hub.publish`: the event's id, once it is in the history."""
        return self._here().hub.publish(channel, data, event, retry_ms=retry_ms)

    def publish_many(self, messages: Iterable[Message]) -> list[str]:
        """`hub.Hub.publish_many`."""
        return self._here().hub.publish_many(messages)

    # ── what it is made of ───────────────────────────────────────────────────────────────────

    def _here(self) -> _Parts:
        app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
        return self._of(app)

    def _of(self, app: Flask) -> _Parts:
        """What this process has of the application, made at its first use."""
        of_processes: PerProcess[_Parts] = app.extensions[_EXTENSION]
        return of_processes.get()


def _made(settings: Settings) -> _Parts:
    # The program's server and middleware say how its clients reach it.
    settings = replace(settings, base_path="", trusted_proxies=())
    link = RedisLink.from_settings(settings)
    history = History(link, settings)
    generations = Generations(history, Queue(link, settings.lease_seconds), settings)
    kind = GenerationKind(generations.answers, settings.history_events)

    def delivery() -> Delivery:
        return Delivery(history, settings, kinds=[kind])

    delivers = delivery_for_server(delivery)

    @cache
    def routes() -> Flask:
        return application_of(settings, generations, kind, delivers, rule=current_rule)

    return _Parts(Hub(history, settings), generations, delivers, routes)


def _joined(
    generations: Generations, asked: Request, owner: str, asker: str, question: str
) -> Generation:
    """A new generation, or the one that answers the same question of the same asker just now."""
    for _ in range(_JOIN_TRIES):
        created = generations.create(
            asked, owner=owner, key=IdempotencyKey.of(asker, question, b"")
        )
        if created.first or created.generation.active:
            return created.generation
        question += f" after {created.generation.id}"
    return generations.create(asked, owner=owner).generation


def _body(prompt: str | None, body: Mapping[str, Any]) -> dict[str, Any]:
    return {**body, "prompt": prompt} if prompt is not None else dict(body)


def _commands() -> AppGroup:
    group = AppGroup("hubbub", help="Hubbub's processes with this application's configuration.")

    @group.command("worker")
    def worker() -> None:
        """Answer this application's generations, until SIGTERM."""
        sys.stdout.flush()
        environ = environ_of(current_app.config, os.environ)
        click.echo("hubbub: the worker starts with this application's settings", err=True)
        # Another program in place of this one: gevent must patch a worker on its first line.
        os.execve(sys.executable, [sys.executable, "-m", "workers"], environ)

    return group
