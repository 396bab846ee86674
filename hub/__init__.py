"""Channels, history and fan-out. Has never heard of language models."""
