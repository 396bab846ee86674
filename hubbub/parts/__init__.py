"""The parts that the launcher starts: how each is found, started and ended."""
