"""The web application: hub and workers joined. Importing this module needs no Redis."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from functools import partial

from flask import Flask, request
from prometheus_client.core import Metric

from hub import logs
from hub.access.access import Access
from hub.access.gate import Gate, May
from hub.access.limits import Limits
from hub.fanout.delivery import Delivery
from hub.identity import Action
from hub.metrics import families as own_families
from hub.settings import Settings
from hub.store.history import History
from hub.store.redis_link import RedisLink
from hub.store.server_check import check_server, wait_until_fit
from hub.store.stops import Stops
from hub.version import build
from hub.web import caller, cors, headers, problems, tracing
from hub.web.caller import Callers, caller_of
from hub.web.channels import channels_blueprint
from hub.web.door import Door
from hub.web.entrance import Entrance
from hub.web.health import WorkersSeen, health_blueprint
from hub.web.pages import pages_blueprint
from hub.web.process_check import process_warnings
from hub.web.publishing import Publishing
from hub.web.sessions import sessions_blueprint
from hub.web.status_data import status_data_blueprint
from hubbub.openapi.views import openapi_blueprint
from workers.faces.ag_ui import ag_ui_blueprint
from workers.faces.ai_sdk import ai_sdk_blueprint
from workers.guarded import GuardedGenerations
from workers.kind import GenerationKind
from workers.metrics import families
from workers.openai.chat import OpenAIFace, openai_blueprint
from workers.openai.embeddings import embeddings_blueprint
from workers.openai.models import known_models, known_providers
from workers.openai.responses import responses_blueprint
from workers.preview import preview
from workers.producers.views import producers_blueprint
from workers.queue import Queue
from workers.roster import Roster
from workers.status import status
from workers.store import SCRIPT_PACKAGES, SOURCES, Generations
from workers.telemetry import figure_sender_of, spans_of
from workers.telemetry.figures import send_for_ever
from workers.thread_views import threads_blueprint
from workers.threads import Threads
from workers.views import generations_blueprint


def create_app(settings: Settings, link: RedisLink | None = None) -> Flask:
    """Build the application. `link` stands for the Redis of `settings.redis_url`."""
    logs.configure(settings.log_format)
    link = link or RedisLink.from_settings(settings)
    history = History(link, settings)
    generations = Generations(history, Queue(link, settings.lease_seconds), settings)
    kind = GenerationKind(generations.answers, settings.history_events)
    delivery = Delivery(history, settings, kinds=[kind])
    return application_of(settings, generations, kind, delivery)


def application_of(
    settings: Settings,
    generations: Generations,
    kind: GenerationKind,
    delivery: Delivery,
    *,
    rule: Callable[[], May] | None = None,
) -> Flask:
    """The application on parts that are there. `rule()` is the rule by which a program that has its
    own users decides about the current request: it stands in place of the grants, and is asked for
    every route, probes and pages too."""
    history, queue = delivery.history, generations.queue
    link = history.link
    roster = Roster(link, settings.lease_seconds)

    def workers_seen() -> WorkersSeen:
        counts = queue.counts()
        return WorkersSeen(counts.workers, counts.unwell)

    stops, version = Stops(link), build(*SOURCES)

    def beside() -> list[str]:
        told = (*process_warnings(settings), stops.cut_short(), roster.other_versions(version))
        return [line for line in told if line]

    def shared_metrics() -> Iterable[Metric]:
        return families(queue.counts(), roster.longest_step_seconds())

    app = Flask(__name__, static_folder=None)
    app.url_map.merge_slashes = False  # `/channels//events` is no channel's name
    app.extensions["hubbub"] = delivery
    app.extensions["hubbub.redis"] = partial(wait_until_fit, link, SCRIPT_PACKAGES)
    app.extensions["hubbub.stops"] = stops
    problems.register(app)
    caller.register(app)
    headers.register(app)
    cors.register(app, settings.cors_origins)
    tracing.register(app, spans_of(os.environ, "hubbub-web"))
    access = Access(settings, delivery)
    limits = Limits(link, settings)
    threads = Threads(history, settings.history_seconds)
    guarded = GuardedGenerations(generations, limits, lambda: caller_of(request.environ))
    publishing = Publishing(delivery, limits)
    app.register_blueprint(channels_blueprint(delivery, publishing))
    app.register_blueprint(sessions_blueprint(access, settings))
    app.register_blueprint(generations_blueprint(guarded, delivery, threads, access))
    app.register_blueprint(producers_blueprint(guarded, delivery))
    app.register_blueprint(threads_blueprint(threads, guarded))
    face = OpenAIFace(guarded, delivery)
    providers = known_providers(settings, os.environ)
    app.register_blueprint(openai_blueprint(face, known_models(settings, providers, roster)))
    app.register_blueprint(embeddings_blueprint(face))
    app.register_blueprint(responses_blueprint(face))
    app.register_blueprint(ai_sdk_blueprint(face))
    app.register_blueprint(ag_ui_blueprint(face))
    app.register_blueprint(
        health_blueprint(
            delivery,
            lambda seconds: check_server(link, SCRIPT_PACKAGES, try_seconds=seconds),
            workers=workers_seen,
            hindrance=roster.problem,
            beside=beside,
            version=version,
            hint=settings.no_model,
            more_metrics=shared_metrics,
        )
    )
    app.register_blueprint(openapi_blueprint(settings))
    app.register_blueprint(status_data_blueprint(delivery, lambda: status(generations)))
    app.register_blueprint(
        pages_blueprint(
            lambda one: preview(generations, guarded.require(one, Action.INFORM)),
            kept_seconds=settings.history_seconds,
            most_bytes=settings.max_request_bytes,
            notice=settings.no_model and f"No model: {settings.no_model}",
        )
    )
    sender = figure_sender_of(os.environ, "hubbub-web")
    if sender is not None:
        delivery.loops_beside["telemetry"] = partial(
            send_for_ever, sender, lambda: own_families(delivery.figures()), shared_metrics
        )
    if rule is not None:
        caller.register_operators(app)
    callers = Callers(access, Gate([kind, threads]), None if rule else settings.admin_port, rule)
    entrance = Entrance(app.wsgi_app, delivery, callers, own_users=rule is not None)
    app.wsgi_app = entrance  # type: ignore[method-assign]
    app.extensions["hubbub.door"] = Door(entrance, publishing)
    return app


def from_environment() -> Flask:
    """The application that the environment asks for; a wrong setting ends the process in a line."""
    with logs.wrong_setting_ends("hubbub", status=1):
        return create_app(Settings.from_environ(os.environ))
