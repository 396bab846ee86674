"""Redis: the channels' keys, scripts and frames. Nothing else knows them."""
