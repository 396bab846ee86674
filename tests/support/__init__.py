"""What several test files share: real servers as processes, listeners, a provider that follows a
script. Nothing here is a mock."""
