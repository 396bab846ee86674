"""The Dockerfile and the compose file, unchanged, under a real engine (`make test-compose`)."""
