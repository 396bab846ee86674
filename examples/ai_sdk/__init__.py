"""A page with `useChat()` of the AI SDK, which the hub answers without any code between."""
