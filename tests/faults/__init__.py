"""Everything that can break is broken here, and the promise of delivery is checked each time."""
