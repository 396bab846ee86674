"""Who may do what (contract §7): keys, tokens, revocations, shares, limits, and the decision."""
