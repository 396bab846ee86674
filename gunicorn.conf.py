"""gunicorn's settings in a checkout: `gunicorn -c gunicorn.conf.py app:app`.

A face: they are made in `hubbub/gunicorn_conf.py`.
"""

from hubbub.gunicorn_conf import *  # noqa: F403
