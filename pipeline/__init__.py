"""Who, when, allowed?, use? Outcomes and alerts. Owns the store and its schema."""
