"""uWSGI's own command line, `python -m tests.extension.uwsgi`: its package has no `__main__`."""

import pyuwsgi

if __name__ == "__main__":
    pyuwsgi.run()
