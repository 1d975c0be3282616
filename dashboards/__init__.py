"""Questions asked of the store, and all that is drawn from them."""
