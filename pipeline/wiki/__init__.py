"""Edits of wikis, told from reads inside TLS: see `exchange` (what is read), `cues` (what speaks for a save) and
`detector` (what is said, and when)."""
