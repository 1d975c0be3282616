"""What a page asks of its visitor, and which roles have it.

One word per need, used by pages and by the navigation alike; a role's rights are read off one table. What somebody may
do to data about a single person is decided again, and more finely, at the desk (pipeline.access, pipeline.desk).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from pipeline.access import Role


class Need(StrEnum):
    """What a visitor must be allowed to do for a page."""

    NOTHING = "nothing"
    SUMS = "sums"
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
        Need.SUMS: _DECIDERS,
        Need.HEALTH: _DECIDERS | {Role.INSTALLER},
        Need.ACKNOWLEDGE: frozenset({Role.NETWORK_MANAGER, Role.HEAD}),
        Need.SITES: _DECIDERS,
        Need.REGISTER: frozenset({Role.NETWORK_MANAGER, Role.HEAD}),
        Need.SETTINGS: _DECIDERS | {Role.INSTALLER},
        Need.IMPORTS: frozenset({Role.NETWORK_MANAGER}),
        Need.EPISODES: _DECIDERS,
        Need.OWN_DATA: frozenset({Role.STAFF}),
    }
)
"""Who has what: as few as can be."""

WITHOUT_ACCOUNTS = frozenset({Need.NOTHING, Need.SUMS, Need.HEALTH})
"""What is open to whoever uses the machine while there is no account at all: sums, and the monitor's own state."""
