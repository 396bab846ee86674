"""The hub over HTTP: Flask's routes and gunicorn's sockets."""
