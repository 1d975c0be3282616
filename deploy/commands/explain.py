"""`schoolgate explain`: one flow of a capture, packet by packet, beside what tshark reads in it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from deploy.commands._say import fail, failing_well

if TYPE_CHECKING:
    from sensor.catalogue import Catalogue
    from sensor.choose import Flow
    from sensor.explain import FlowReading
    from sensor.tshark import Opinion, Verdict

MAX_LISTED = 100


@click.command("explain")
@click.argument("capture", type=click.Path(path_type=Path))
@click.option("--flow", "ends", help="The flow: CLIENT:PORT-SERVER:PORT, IPv6 addresses in brackets.")
@click.option("--client", help="Flows of this client address,")
@click.option("--server", help="to this server address,")
@click.option("--name", help="with this name or one below it.")
@click.option("--nth", type=click.IntRange(min=1), help="Of several flows that fit: which one, counted from 1.")
@click.option("--list", "list_them", is_flag=True, help="List the flows that fit.")
@click.option("--packets", default=100, show_default=True, type=click.IntRange(min=1), help="Packets to show at most.")
@click.option("--no-tshark", is_flag=True, help="Our own reading only.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option(
    "--catalogue", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="The school's own rows."
)
def command(
    capture: Path,
    ends: str | None,
    client: str | None,
    server: str | None,
    name: str | None,
    nth: int | None,
    list_them: bool,
    packets: int,
    no_tshark: bool,
    as_json: bool,
    catalogue: Path | None,
) -> None:
    """Explain one flow of CAPTURE: each packet, where its name comes from, and what tshark says.

    \b
    Example:  schoolgate explain lunch.pcapng --client 10.20.0.5 --list
              schoolgate explain lunch.pcapng --flow 10.20.0.5:50000-203.0.113.7:443
              schoolgate explain lunch.pcapng --name youtube.com --nth 2 --json

    It prints names, sizes and times, never payload or paths. Without tshark the exit status is 2; with --no-tshark
    only our own reading is shown.
    """
    from sensor.capture import CaptureError
    from sensor.catalogue import load_catalogue
    from sensor.choose import parse_flow, select
    from sensor.classify import classify_file
    from sensor.explain import read_flow
    from sensor.tshark import TsharkError, compare, read_opinion, tshark_version

    with failing_well():
        rows = load_catalogue(catalogue)
        wanted = parse_flow(ends) if ends else None
        addresses = [_address(text) for text in (client, server)]
        try:
            if not (no_tshark or list_them):
                tshark_version()
            flows = select(classify_file(capture, rows).flows, wanted, addresses[0], addresses[1], name)
        except (CaptureError, TsharkError) as error:
            fail(error, 2)
        if list_them:
            _list(flows, as_json)
            return
        flow = _one(flows, nth, capture)
        reading = read_flow(capture, flow, packets)
        opinion = None if no_tshark else read_opinion(capture, reading)
    verdict = compare(reading, opinion) if opinion else None
    if as_json:
        click.echo(json.dumps(_facts(reading, opinion, verdict, rows), indent=1))
    else:
        for line in _text(reading, opinion, verdict, rows):
            click.echo(line)


def _address(text: str | None) -> str | None:
    """An address in its usual spelling."""
    from sensor.slices import pack_address, unpack_address

    if text is None:
        return None
    try:
        return unpack_address(pack_address(text.strip("[]")))
    except ValueError:
        raise click.UsageError(f"{text!r} is no address") from None


def _one(flows: list[Flow], nth: int | None, capture: Path) -> Flow:
    if not flows:
        fail(f"{capture}: no flow fits; see what is there with: schoolgate explain {capture} --list")
    if nth is None and len(flows) > 1:
        for line in _listed(flows):
            click.echo(line, err=True)
        fail("several flows fit; choose one with --flow, or with --nth and its number")
    if nth is not None and nth > len(flows):
        fail(f"only {len(flows)} flows fit; --nth {nth} is none of them")
    return flows[(nth or 1) - 1]


def _list(flows: list[Flow], as_json: bool) -> None:
    from sensor.choose import flow_text

    if as_json:
        listed = [
            {"nth": n, "flow": flow_text(flow), **{k: v for k, v in flow.items() if k != "file"}}
            for n, flow in enumerate(flows, 1)
        ]
        click.echo(json.dumps(listed, indent=1))
        return
    for line in _listed(flows, everything=True):
        click.echo(line)


def _listed(flows: list[Flow], everything: bool = False) -> Iterator[str]:
    from sensor.choose import flow_text

    for n, flow in enumerate(flows[: None if everything else MAX_LISTED], 1):
        size = flow["packets_up"] + flow["packets_down"]
        name = f"{flow['name']} by {flow['evidence']}" if flow["name"] else "no name"
        yield f"{n:4}  {_clock(flow['first'])}  {flow_text(flow)}  {flow['transport']}  {size} packets  {name}"
    if not everything and len(flows) > MAX_LISTED:
        yield f"and {len(flows) - MAX_LISTED} more; --list shows them"


def _clock(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S.%f}"[:-3]


# -- the explanation --------------------------------------------------------------------------------------------------


def _facts(reading: FlowReading, opinion: Opinion | None, verdict: Verdict | None, rows: Catalogue) -> dict[str, Any]:
    said = opinion.protocols if opinion else {}
    found: dict[str, Any] = {
        "flow": dict(reading.flow),
        "packets": reading.packets,
        "named_at": reading.named_at,
        "hello": dataclasses.asdict(reading.hello) if reading.hello else None,
        "told": [dataclasses.asdict(told) for told in reading.told],
        "catalogue": rows.version,
        "blindness": _blindness(reading.flow, rows),
        "steps": [
            {**dataclasses.asdict(step), **({"tshark": said.get(step.frame)} if opinion else {})}
            for step in reading.steps
        ],
    }
    if opinion and verdict:
        found["tshark"] = {
            "version": opinion.version,
            "names": [dataclasses.asdict(seen) for seen in opinion.names],
            "told": [dataclasses.asdict(seen) for seen in opinion.told],
            "ech": opinion.ech,
            "remark": opinion.remark,
        }
        found["agree"] = verdict.agree
    found["verdict"] = _verdict(reading, verdict)
    return found


def _blindness(flow: Flow, rows: Catalogue) -> str | None:
    return rows.blindness(flow["name"]) if flow["name"] else None


def _verdict(reading: FlowReading, verdict: Verdict | None) -> str:
    flow = reading.flow
    if verdict:
        return verdict.sentence
    return f"We read {flow['name']} by {flow['evidence']}." if flow["name"] else "We read no name in this flow."


def _text(reading: FlowReading, opinion: Opinion | None, verdict: Verdict | None, rows: Catalogue) -> Iterator[str]:
    from sensor.choose import flow_text

    flow = reading.flow
    yield f"{flow_text(flow)}  {flow['transport'].upper()}" + (f"  VLAN {flow['vlan']}" if flow["vlan"] else "")
    yield (
        f"{_clock(flow['first'])} to {_clock(flow['last'])} UTC, {reading.packets} packets, "
        f"{flow['bytes_up']} bytes up, {flow['bytes_down']} bytes down"
    )
    yield ""
    yield f"{'frame':>7} {'seconds':>10}   {'bytes':>6} {'flags':5} {'sequence':>10}  carries"
    for step in reading.steps:
        sequence = "" if step.sequence is None else str(step.sequence)
        said = f"   [tshark: {opinion.protocols.get(step.frame, 'not this flow')}]" if opinion else ""
        yield (
            f"{step.frame:7} {step.time - flow['first']:10.6f} {'>' if step.up else '<'} {step.bytes:6} "
            f"{step.flags:5} {sequence:>10}  {'; '.join(step.carried)}{said}".rstrip()
        )
        if step.named:
            yield f"{'':18} = the name becomes known: {step.named}"
    if not reading.steps:
        yield "        the flow's packets came in fragments that never became whole: they cannot be shown one by one"
    elif reading.packets > len(reading.steps):
        yield f"        and {reading.packets - len(reading.steps)} packets more; --packets shows more of them"
    yield ""
    yield from _told(reading)
    yield f"Name:      {_name_words(reading)}"
    yield f"Catalogue: {_service_words(flow, rows)} (version {rows.version})"
    if reading.hello:
        yield f"Hello:     {_hello_words(reading)}"
    if opinion:
        yield f"tshark:    {_opinion_words(opinion)}"
    yield ""
    yield _verdict(reading, verdict)


def _told(reading: FlowReading) -> Iterator[str]:
    for told in reading.told:
        when = "before the flow, in time" if told.in_time else "too late or too old for this flow"
        yield f"DNS:       frame {told.frame}: {told.resolver} told {told.name}, for {told.ttl} s; {when}"


def _name_words(reading: FlowReading) -> str:
    flow = reading.flow
    if not flow["name"]:
        return "none was read"
    at = f", from frame {reading.named_at}" if reading.named_at else ""
    return f"{flow['name']} by {flow['evidence']}{at}" + (", hello not whole (partial)" if flow["partial"] else "")


def _service_words(flow: Flow, rows: Catalogue) -> str:
    if not flow["name"]:
        return "not asked, without a name"
    if flow["service"]:
        service = rows.services[flow["service"]]
        return f"{service.name} ({service.id}), {flow['kind']}, role {flow['role']}, action {service.action}"
    blind = _blindness(flow, rows)
    return f"no service; counted as blindness ({blind})" if blind else "no service of the catalogue"


def _hello_words(reading: FlowReading) -> str:
    hello = reading.hello
    assert hello is not None
    ech = "ECH or its grease is there: the name is the outer one" if hello.ech else "no ECH"
    parts = [f"{hello.size} bytes" + ("" if hello.whole else ", not all here"), ech]
    if hello.versions:
        parts.append(", ".join(hello.versions))
    if hello.protocols:
        parts.append("ALPN " + ", ".join(hello.protocols))
    return "; ".join(parts)


def _opinion_words(opinion: Opinion) -> str:
    names = [f"{seen.name} by {seen.evidence} in frame {seen.frame}" for seen in opinion.names]
    told = [f"{seen.name} told by DNS in frame {seen.frame}" for seen in opinion.told]
    parts = [f"version {opinion.version}", *(names or ["no name in the flow"]), *told[:10]]
    if opinion.ech:
        parts.append("ECH extension")
    if opinion.remark:
        parts.append(opinion.remark)
    return "; ".join(parts)
