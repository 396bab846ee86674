"""Why the stack ends, each in one line for the user."""

from __future__ import annotations


class CannotStart(Exception):
    """Something that it needs is not there."""


class PartDied(Exception):
    """Which part, and how."""


class Stopped(Exception):
    """Somebody asked for the end."""
