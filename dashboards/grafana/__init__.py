"""Grafana boards as code: built from the named questions, committed as JSON, checked on our own store.

Grafana reads a ClickHouse server; the embedded store opens no port. `*.json` are the boards (made anew by
`python -m dashboards.grafana`), `provisioning/` the data source and the provider for file provisioning; `provision`
lays both out as Grafana reads them, `remote` puts the boards into a running Grafana, `check` asks their SQL.
"""
