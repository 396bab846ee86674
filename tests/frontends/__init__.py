"""Front ends of other people: the AI SDK's `useChat` and AG-UI's agents."""
