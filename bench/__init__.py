"""The benchmark: Hubbub and its peers, measured in one run on one machine (`make bench`)."""
