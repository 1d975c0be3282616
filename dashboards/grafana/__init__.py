"""Grafana boards as code: built from the named questions, committed as JSON, checked on our own store.

Grafana reads a ClickHouse server; the embedded store opens no port. `provisioning/` holds the data source and the
folder for file provisioning, `*.json` the boards (made by `python -m dashboards.grafana`).
"""
