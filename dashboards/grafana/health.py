"""Health check of Grafana's side: whether the store is one that Grafana can read at all."""

from __future__ import annotations

from dataclasses import dataclass

from sensor.health import Registry, Verdict, fine


@dataclass(frozen=True, slots=True)
class GrafanaFacts:
    """`servers`: the ClickHouse servers of the store; none: it is embedded."""

    servers: tuple[str, ...]


GRAFANA: Registry[GrafanaFacts] = Registry()


@GRAFANA.check("grafana", "Grafana")
def _readable(f: GrafanaFacts) -> Verdict:
    if f.servers:
        sentence = (
            "Grafana can read the store's servers as the user grafana; `schoolgate grafana write` makes its files."
        )
        return fine(sentence, ", ".join(f.servers))
    return fine(
        "The embedded store opens no port, so Grafana cannot read it: its boards need a ClickHouse server "
        "(store.servers). The built-in pages and reports need no Grafana.",
        "embedded store",
    )
