"""The peers, one file each: how it is started, subscribed to and published to at its best."""
