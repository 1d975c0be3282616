"""What Grafana does to a panel's SQL before ClickHouse sees it: variables in the browser, macros in the plugin.

Only the forms that our questions are rendered to (`queries.Query.for_grafana`) are known; anything else is an error, so
that a check cannot pass on SQL that Grafana would read differently. Source: Grafana's variable syntax (`sqlstring`) and
the plugin's macros `$__fromTime`, `$__toTime`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime

_VARIABLE = re.compile(r"\$\{(\w+):sqlstring\}")
_MACRO = re.compile(r"\$__(\w+)")


class MacroError(ValueError):
    """SQL that holds a variable or macro which the expander does not know."""


def expand(sql: str, start: datetime, end: datetime, variables: Mapping[str, str]) -> str:
    """`sql` as ClickHouse gets it for the time from `start` to `end` (aware); MacroError if something is left over."""
    times = {"fromTime": start, "toTime": end}

    def variable(mark: re.Match[str]) -> str:
        if (value := variables.get(mark.group(1))) is None:
            raise MacroError(f"unknown variable {mark.group(0)}")
        return "'" + value.replace("'", "''").replace('"', '\\"') + "'"  # as Grafana's sqlstring does

    def macro(mark: re.Match[str]) -> str:
        if (moment := times.get(mark.group(1))) is None:
            raise MacroError(f"unknown macro {mark.group(0)}")
        return f"toDateTime({int(moment.timestamp())})"

    expanded = _MACRO.sub(macro, _VARIABLE.sub(variable, sql))
    if "$" in expanded:
        raise MacroError(f"something is left to expand: {expanded[expanded.index('$') :][:40]!r}")
    return expanded
