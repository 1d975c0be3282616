"""Flows of a capture, chosen by what a person types: `CLIENT:PORT-SERVER:PORT`, an address, a name.

It works on flows as `sensor.classify` gives them, and does not know captures.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from sensor.slices import pack_address, unpack_address

Flow = Mapping[str, Any]  # as sensor.classify gives it
_END = r"(?:\[([0-9A-Fa-f:.]+)\]|([0-9.]+)):([0-9]{1,5})"
_SELECTOR = re.compile(f"{_END}-{_END}")


class ChoiceError(ValueError):
    """What was typed names no flow; the message says why and how to write it."""


def flow_text(flow: Flow) -> str:
    """CLIENT:PORT-SERVER:PORT, IPv6 addresses in brackets."""
    return f"{_end_text(flow['client'], flow['client_port'])}-{_end_text(flow['server'], flow['server_port'])}"


def _end_text(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def parse_flow(text: str) -> tuple[str, int, str, int]:
    """The inverse of `flow_text`, with addresses in their usual spelling. Raises ChoiceError."""
    found = _SELECTOR.fullmatch(text.strip())
    try:
        if found is None:
            raise ValueError
        groups = found.groups()
        one, other = (unpack_address(pack_address(groups[n] or groups[n + 1])) for n in (0, 3))
    except ValueError:
        mend = "write CLIENT:PORT-SERVER:PORT, as 10.20.0.5:50000-203.0.113.7:443 or [fd00::5]:50000-[2001:db8::7]:443"
        raise ChoiceError(f"{text!r} names no flow; {mend}") from None
    return one, int(groups[2]), other, int(groups[5])


def select(
    flows: Sequence[Flow],
    ends: tuple[str, int, str, int] | None = None,
    client: str | None = None,
    server: str | None = None,
    name: str | None = None,
) -> list[Flow]:
    """Flows that fit: `ends` in either direction; `name` is the flow's own or one above it."""

    def fits(flow: Flow) -> bool:
        own = (flow["client"], flow["client_port"], flow["server"], flow["server_port"])
        if ends is not None and ends not in (own, (*own[2:], *own[:2])):
            return False
        if name is not None and not f".{flow['name'] or ''}".endswith(f".{name.lower().rstrip('.')}"):
            return False
        return (client is None or flow["client"] == client) and (server is None or flow["server"] == server)

    return [flow for flow in flows if fits(flow)]
