"""`python -m workers`: one worker process, until SIGTERM or SIGINT."""

from gevent import monkey

monkey.patch_all()

# Everything below must see the patched modules.
import logging  # noqa: E402
import os  # noqa: E402
import secrets  # noqa: E402
import signal  # noqa: E402
import socket  # noqa: E402
import sys  # noqa: E402
from collections.abc import Mapping, Sequence  # noqa: E402
from functools import partial  # noqa: E402

import gevent  # noqa: E402
from gevent.event import Event  # noqa: E402

from hub import logs  # noqa: E402
from hub.errors import RedisFailure, RedisUnfit  # noqa: E402
from hub.fanout.longest_step import LongestStep  # noqa: E402
from hub.fanout.uncaught import log_uncaught  # noqa: E402
from hub.process import collect_for_ever, spare_the_collector  # noqa: E402
from hub.settings import SettingError, Settings  # noqa: E402
from hub.spans import Spans  # noqa: E402
from hub.store.history import History  # noqa: E402
from hub.store.redis_link import RedisLink  # noqa: E402
from hub.store.server_check import check_server, refuse_unfit, wait_until_fit  # noqa: E402
from hub.version import build  # noqa: E402
from workers.generators import Generators  # noqa: E402
from workers.provider import Providers  # noqa: E402
from workers.provider.config import load_providers  # noqa: E402
from workers.pulse import beat_for_ever  # noqa: E402
from workers.queue import Queue  # noqa: E402
from workers.roster import Roster, report_for_ever  # noqa: E402
from workers.run.answerer import Answerer  # noqa: E402
from workers.run.worker import Worker  # noqa: E402
from workers.store import SCRIPT_PACKAGES, SOURCES, Generations  # noqa: E402
from workers.telemetry import spans_of  # noqa: E402

log = logging.getLogger("workers")


def main(arguments: Sequence[str] = ()) -> int:
    """Work until asked to stop (0); 2 where a setting is wrong or missing, 1 where Redis lacks what
    is needed, with one line. `--check`: look at both and end; a Redis that is away may come."""
    with logs.wrong_setting_ends("workers"):
        settings = _settings(os.environ)
        providers = Providers.from_settings(settings, os.environ)
        generators = Generators.from_settings(settings)
    link = RedisLink.from_settings(settings)
    if "--check" in arguments:
        return _check(link)
    logs.configure(settings.log_format)
    logs.take_everything(settings.log_format)
    log_uncaught()
    for line in Settings.unknown(os.environ):
        log.warning(line)
    name = consumer_name()
    spans = spans_of(os.environ, "hubbub-worker")
    worker = make_worker(settings, providers, generators, link, name, spans)
    asked, hurry = Event(), Event()

    def stop() -> None:
        (hurry if asked.is_set() else asked).set()

    for number in (signal.SIGTERM, signal.SIGINT):
        gevent.signal_handler(number, stop)
    if settings.pulse_file is not None:
        worker.loops.start("pulse", partial(beat_for_ever, settings.pulse_file))
    try:
        wait_until_fit(link, SCRIPT_PACKAGES, asked.is_set)
    except RedisUnfit as error:
        return _refuse(error)
    spare_the_collector()
    worker.start()
    roster = Roster(link, settings.lease_seconds)
    longest_step = LongestStep()
    longest_step.start()
    version = build(*SOURCES)
    report = partial(report_for_ever, roster, name, providers, settings, longest_step, version)
    worker.loops.start("report", report)
    worker.loops.start("collector", collect_for_ever)
    log.info("worker starts, up to %d generations at a time", settings.worker_concurrency)
    asked.wait()
    worker.stop(settings.grace_seconds, hurry)
    _forget(roster, name)
    if spans is not None:
        spans.close()
    log.info("worker ends")
    return 0


def _check(link: RedisLink) -> int:
    try:
        refuse_unfit(check_server(link, SCRIPT_PACKAGES, try_seconds=0))
    except RedisUnfit as error:
        return _refuse(error)
    except RedisFailure:
        pass
    return 0


def _refuse(unfit: RedisUnfit) -> int:
    logs.complain("workers", f"REDIS_URL: {unfit}")
    return 1


def make_worker(
    settings: Settings,
    providers: Providers,
    generators: Generators,
    link: RedisLink,
    name: str,
    spans: Spans | None = None,
) -> Worker:
    queue = Queue(link, settings.lease_seconds, name)
    generations = Generations(History(link, settings), queue, settings)
    answerer = Answerer(providers, generators, generations.answers, generations.settings)
    return Worker(generations, answerer, spans=spans)


def _forget(roster: Roster, name: str) -> None:
    try:
        roster.forget(name)
    except RedisFailure:
        pass  # what it said lapses with its lease


def consumer_name() -> str:
    """Says where to look for the process, and is new each time: a restart is another worker."""
    return f"{socket.gethostname()}.{os.getpid()}.{secrets.token_hex(4)}"


def _settings(environ: Mapping[str, str]) -> Settings:
    settings = Settings.from_environ(environ)
    settings.check_files()
    if settings.redis_url is None:
        raise SettingError("REDIS_URL must say which Redis to work for")
    provided = load_providers(settings, environ) or settings.generators
    if not provided and not settings.no_model:
        raise SettingError(
            "OPENAI_BASE_URL must say which model server to ask (OPENAI_API_KEY alone: OpenAI's)"
        )
    return settings


if __name__ == "__main__":
    sys.exit(main())
