"""Alerts: what is raised, how it is told, and how it is sent so that it comes once, or twice and says so."""
