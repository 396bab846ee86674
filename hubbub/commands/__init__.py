"""The commands that talk to a running hub over HTTP (contract §9).

`program` joins them, `address` says which hub and who asks, `following` hears a stream and the
keyboard at once. What is meant for programs goes to standard output, one thing a line; everything
else goes to standard error. Where either is a terminal, control characters are escaped
(`hub.showing`).
"""
