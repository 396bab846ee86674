"""Faces for front ends: what `useChat` and AG-UI's clients ask, answered by generations."""
