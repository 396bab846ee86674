"""Generators of one's own: what they may yield, how they end, and on a real stack."""
