"""A worker process: claims, runs, publishes."""
