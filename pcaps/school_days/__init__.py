"""School days drawn from seeds: a school, its rota and feeds, what its people and machines did, and the truth of it."""
