"""A web server that obeys a test (`orders`); gunicorn imports this when all is patched."""

from __future__ import annotations

import gevent

from app import app
from tests.support.orders import obey

__all__ = ["app"]

gevent.spawn(obey, app.extensions["hubbub"].loops)
