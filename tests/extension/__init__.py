"""The Flask extension in applications of other people's making."""
