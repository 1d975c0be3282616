"""`schoolgate bench`: the sensor against the memory's speed."""

from __future__ import annotations

import json

import click

NAMES = ("even", "hot", "few", "million", "storm", "hybrid")


@click.command("bench")
@click.argument("captures", nargs=-1, type=click.Choice(NAMES))
@click.option(
    "--packets",
    default=2_000_000,
    show_default=True,
    type=click.IntRange(1_000, 20_000_000),
    help="Packets in each generated capture (million: twice as many).",
)
@click.option(
    "--rounds", default=5, show_default=True, type=click.IntRange(1, 1000), help="Rounds; medians are printed."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(captures: tuple[str, ...], packets: int, rounds: int, as_json: bool) -> None:
    """Measure the sensor on generated CAPTURES, as shares of the header-touch limit.

    \b
    even     flows used evenly; hot: 80 % of the packets in 2 % of the flows (both unless you name others)
    few      500 flows; million: half as many flows as --packets, four packets each
    storm    flows of ten packets that only begin and end; hybrid: their hellos take two segments

    \b
    Example:  schoolgate bench even storm --json
    """
    from sensor import bench

    results = bench.run(captures or ("even", "hot"), packets, rounds)
    machine = bench.machine()
    if as_json:
        click.echo(json.dumps({"machine": machine, "results": results}, indent=1))
        return
    click.echo(", ".join(f"{name} {value}" for name, value in machine.items()))
    click.echo(f"{'capture':8} {'limit':>7} {'kernel':>7} {'full':>7} {'kernel/limit':>13} {'full/limit':>11}")
    for r in results:
        rates = " ".join(f"{bench.floored(r[key] / 1e6, 2):>7}" for key in ("limit", "kernel", "full"))
        kernel, full = (bench.floored(r[key], 2) for key in ("kernel_share", "full_share"))
        click.echo(
            f"{r['name']:8} {rates} {kernel:>13} {full:>11}   {r['packets']:,} packets of {r['mean_bytes']:.0f} B, "
            f"{r['flows']:,} flows ({r['named']:,} named), {r['slices']:,} slices"
        )
    click.echo("Rates in million packets a second, medians; no number is rounded up.")
