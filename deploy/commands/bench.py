"""`schoolgate bench`: the sensor against the memory's speed."""

from __future__ import annotations

import json

import click


@click.command("bench")
@click.option("--packets", default=2_000_000, show_default=True, help="Packets in each generated capture.")
@click.option("--rounds", default=5, show_default=True, help="Rounds; medians are printed.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(packets: int, rounds: int, as_json: bool) -> None:
    """Measure the sensor on generated captures, as shares of the header-touch limit.

    \b
    Example:  schoolgate bench --json
    """
    from sensor import bench

    results = bench.run(packets, rounds)
    if as_json:
        click.echo(json.dumps(results, indent=1))
        return
    click.echo(
        f"{'capture':8} {'limit':>10} {'kernel':>10} {'full':>10} {'kernel/limit':>13} {'full/limit':>11}  M packets/s"
    )
    for r in results:
        rates = " ".join(f"{r[key] / 1e6:10.2f}" for key in ("limit", "kernel", "full"))
        click.echo(
            f"{r['name']:8} {rates} {r['kernel_share']:13.2f} {r['full_share']:11.2f}"
            f"   {r['slices']} slices, {r['mean_bytes']:.0f} B mean"
        )
