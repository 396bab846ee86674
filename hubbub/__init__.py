"""Hubbub as a program: `hub` and `workers` joined into one application, started and watched.

The libraries know nothing of this package. It holds the application that gunicorn serves
(`application`), gunicorn's settings (`gunicorn_conf`), the launcher of `hubbub run` (`launcher`,
`parts/`) and the command line (`command`, `client`).
"""
