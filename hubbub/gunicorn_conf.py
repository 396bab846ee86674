"""gunicorn's settings, all from the environment, for `hubbub web` and for `gunicorn.conf.py`.

Read in gunicorn's master, before gevent has patched anything: nothing here may import ssl, redis or
requests, or its processes are patched by half.
"""

import math
import os
import resource
import shutil
import sys
import tempfile
from contextlib import suppress
from typing import Any

from gunicorn.errors import HaltServer

from hub import logs, open_files
from hub.settings import SettingError, Settings
from hubbub.configuration import settings_to_serve


def _folder_for_files() -> str:
    """Where a file can be made and written to. It is tried: what permissions say of a /dev/shm that
    is full, or that a sandbox closes, is not true. Raises `SettingError`."""
    try:
        for folder in ("/dev/shm", tempfile.gettempdir()):
            with suppress(OSError), tempfile.TemporaryFile(dir=folder) as file:
                file.write(bytes(4096))
                file.flush()
                return folder
    except FileNotFoundError:
        pass  # `gettempdir` has tried all that there are
    raise SettingError("TMPDIR must name a folder that files can be written into: none can be")


with logs.wrong_setting_ends("hubbub"):
    settings = settings_to_serve(os.environ)
    if settings.redis_url is None:
        raise SettingError(
            "REDIS_URL must be set, for example redis://127.0.0.1:6379/0 "
            "(make run brings a Valkey of its own)"
        )
    # The workers' sign of life is a file; on a disk, a slow disk would look like a hung worker.
    worker_tmp_dir = _folder_for_files()

_host = settings.host.strip("[]")
bind = [f"[{_host}]:{settings.port}" if ":" in _host else f"{_host}:{settings.port}"]
if settings.admin_port is not None:
    bind.append(f"127.0.0.1:{settings.admin_port}")
workers = settings.web_concurrency
worker_class = "hub.web.gunicorn_worker.Worker"
# The kernel gives less where its `somaxconn` is lower (4096 on Linux). A connection that finds no
# place depends on TCP's retries, seconds later. If only its request was lost, it looks like one
# that asks nothing.
backlog = 8192

# Streams that stay in gunicorn (the portable path) count here; those that were taken over count
# only as descriptors.
worker_connections = open_files.connections(settings)

# Streams are ended by the hub within the grace; gunicorn kills what is left after it.
graceful_timeout = math.ceil(settings.grace_seconds) + 1
# A worker that was not heard of for so long has hung.
timeout = 60
keepalive = 5

# One path for all instances of a user: the second one would take the first one's.
control_socket_disable = True

# Nobody is believed about whom a request came from or how: asking that of each request would also
# take a twentieth of an arrival.
forwarded_allow_ips = ""

# Off: the request line may carry a token. The hub logs a line at each stream's start and end.
accesslog = None
errorlog = "-"
loglevel = "info"
# In the form of all other lines; so is what Python warns of, what nobody catches, what is printed.
logs.take_everything(settings.log_format)
logconfig_dict = {
    "formatters": {"hubbub": {"()": "hub.logs.formatter", "log_format": settings.log_format}},
    "handlers": {
        "stderr": {
            "class": "logging.StreamHandler",
            "formatter": "hubbub",
            "stream": "ext://sys.__stderr__",
        }
    },
    "root": {"level": "WARNING", "handlers": ["stderr"]},
    "loggers": {
        "gunicorn.error": {
            "level": "INFO",
            "handlers": ["stderr"],
            "propagate": False,
            "qualname": "gunicorn.error",
        }
    },
}


def _raise_descriptor_limit(wanted: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    for limits in ((wanted, max(hard, wanted)), (hard, hard)):
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
            break
        except (ValueError, OSError):
            pass  # only root may go beyond the hard limit
    if problem := open_files.shortage(settings):
        logs.complain("hubbub", problem)


# Where the processes of this gunicorn write their figures, for each to add them up.
_scoreboard = os.path.join(worker_tmp_dir, f"hubbub-{os.getpid()}")
raw_env = [f"HUBBUB_SCOREBOARD={_scoreboard}"]


def on_starting(server: Any) -> None:
    for line in Settings.unknown(os.environ):
        server.log.warning(line)
    # A folder that cannot be listed, or is full by now, costs figures alone.
    with suppress(OSError):
        os.makedirs(_scoreboard, mode=0o700, exist_ok=True)
        for name in os.listdir(worker_tmp_dir):  # of those that were killed
            number = name.removeprefix("hubbub-")
            if name != number and number.isdigit() and _has_gone(int(number)):
                shutil.rmtree(os.path.join(worker_tmp_dir, name), ignore_errors=True)


def _has_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    return False


def _say_no_more_of_a_halt(kind: type[BaseException], error: BaseException, trace: Any) -> None:
    """gunicorn has said that its workers could not begin, and each of them why. Where two of them
    ended at once, the second one's end reaches the arbiter while it halts for the first one's, and
    would be shown as a traceback."""
    if kind is not HaltServer:
        _say_uncaught(kind, error, trace)


_say_uncaught = sys.excepthook
sys.excepthook = _say_no_more_of_a_halt


def on_exit(server: object) -> None:
    shutil.rmtree(_scoreboard, ignore_errors=True)


_raise_descriptor_limit(open_files.wanted(settings))
