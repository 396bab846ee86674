"""The application on another WSGI server: gevent's own, in a process patched like gunicorn's.

Here no socket can be taken over, so every stream goes the portable way (`hub.transport`).
`python -m tests.support.portable`, settings from the environment. On SIGTERM the streams are ended
by the hub, as under gunicorn.
"""

from gevent import monkey

monkey.patch_all()

import signal  # noqa: E402

import gevent  # noqa: E402
from gevent.event import Event  # noqa: E402
from gevent.pywsgi import WSGIServer  # noqa: E402

from app import app  # noqa: E402
from hub.fanout.delivery import Delivery  # noqa: E402


def main() -> None:
    delivery: Delivery = app.extensions["hubbub"]
    settings = delivery.settings
    settings.check_bind()
    server = WSGIServer((settings.host, settings.port), app, log=None)
    told = Event()
    gevent.signal_handler(signal.SIGTERM, told.set)
    delivery.start()
    server.start()
    told.wait()
    server.stop_accepting()
    delivery.close_all("shutdown", settings.grace_seconds * 0.8)
    server.stop(timeout=1)


if __name__ == "__main__":
    main()
