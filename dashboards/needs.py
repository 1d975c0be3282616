"""What a page asks of its visitor, and which roles have it: who may see which numbers.

One word per need, used by pages and by the navigation alike; a role's rights are read off one table. What somebody may
do to data about a single person is decided again, and more finely, at the desk (pipeline.access, pipeline.desk).

Numbers are shown by three rules, which hold together; each page and board says its own.

1. *Published*: the report, its mail and PDF, the governors' report and `schoolgate export`. They may be passed on to
   anybody, so small numbers are hidden so that none can be computed, from several of them side by side too
   (dashboards.figures, dashboards.suppression), and of no partial week there is an issue. (`report.export` may be set
   to `exact`: then what is exported is of the next kind.) Who decides about people
   (head, data protection officer, chair) reads these, and no other minutes: the Health page tells these roles shares,
   never minutes.
2. *Minutes*: the pages Today, Week, Services and Why, and the boards in Grafana, which has log-ins of its own. They are
   exact, to find what is wrong with the monitor; with them at hand a hidden number of a report could be read. So they
   are for the network manager alone, who runs the machine that the store lies on, and for whoever sits at that machine
   while there is no account.
3. *One by one*: alerts of edits, and in pseudonymous mode episodes, for whom it falls to acknowledge or decide. Each
   look at an episode is in the audit trail.

People are counted in the report alone, and hidden there like minutes; contests and look-ups are acts that it accounts
for, and stand there as they are. No page or board counts them; what the Timetable
page says of a day are shares of the staff's time, rounded, none of fewer than ten people.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from pipeline.access import Role


class Need(StrEnum):
    """What a visitor must be allowed to do for a page."""

    NOTHING = "nothing"
    MINUTES = "minutes"
    REPORTS = "reports"
    EDITS = "edits"
    HEALTH = "health"
    ACKNOWLEDGE = "acknowledge"
    SITES = "sites"
    REGISTER = "register"
    SETTINGS = "settings"
    IMPORTS = "imports"
    EPISODES = "episodes"
    OWN_DATA = "own_data"


_DECIDERS = frozenset({Role.NETWORK_MANAGER, Role.HEAD, Role.DPO, Role.CHAIR})

ROLES: Mapping[Need, frozenset[Role]] = MappingProxyType(
    {
        Need.NOTHING: frozenset(Role),
        Need.MINUTES: frozenset({Role.NETWORK_MANAGER}),
        Need.REPORTS: _DECIDERS,
        Need.EDITS: _DECIDERS,
        Need.HEALTH: _DECIDERS | {Role.INSTALLER},
        Need.ACKNOWLEDGE: frozenset({Role.NETWORK_MANAGER, Role.HEAD}),
        Need.SITES: _DECIDERS,
        Need.REGISTER: frozenset({Role.NETWORK_MANAGER, Role.HEAD}),
        Need.SETTINGS: _DECIDERS | {Role.INSTALLER},
        Need.IMPORTS: frozenset({Role.NETWORK_MANAGER}),
        Need.EPISODES: _DECIDERS,
        Need.OWN_DATA: frozenset({Role.STAFF, Role.HEAD, Role.NETWORK_MANAGER}),
    }
)
"""Who has what: as few as can be."""

WITHOUT_ACCOUNTS = frozenset({Need.NOTHING, Need.MINUTES, Need.REPORTS, Need.EDITS, Need.HEALTH})
"""What is open to whoever uses the machine while there is no account at all: sums, and the monitor's own state."""
