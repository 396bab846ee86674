"""Delivery in one process: one subscription to Redis, any number of listeners."""
