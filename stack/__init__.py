"""The parts of the one-command stack (`standalone.py`): how each is found, started and ended."""
