"""Random requests at every route, beside listeners that must hear everything.

requests.py    what is sent: every route and method of the application, with hostile values
wire.py        one request on a socket of its own, and what is said of the answer
__main__.py    `python -m tests.faults.fuzz SECONDS [--seed N]`, `make fuzz SECONDS=60`
"""
