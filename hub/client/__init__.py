"""For programs: publish, listen, ask and look at a hub from outside."""
