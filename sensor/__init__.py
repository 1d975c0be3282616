"""Packets in, slices and upload units out. Knows no people, no time of day and no database."""
