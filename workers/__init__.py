"""Generations: what was asked, who answers it, and the events that tell of it."""
