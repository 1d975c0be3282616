"""Ysgol Enghraifft, a made-up Welsh high school: its files, and a generator of one school day, with truth."""
