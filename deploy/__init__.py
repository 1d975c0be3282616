"""How it all runs: the command line, settings, services."""
