"""The scenarios, one file each: what is done to a peer and what is measured of it."""
