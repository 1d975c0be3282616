"""Changes of the settings, in the audit trail: which keys are others than when they were last written down.

The trail holds a short hash of each value, never the value: a path or a name of a machine does not belong there.
"""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

from deploy.settings import Settings, effective
from pipeline.access import account_of

if TYPE_CHECKING:
    from pipeline.audit import AuditTrail

CHANGED = "config.changed"


def account() -> str:
    """The operating system's account that runs this process."""
    return account_of(os.getuid())


def note_changes(trail: AuditTrail, settings: Settings, school_version: str) -> list[str]:
    """Writes down which settings, and whether the school's files, have changed since the last time; returns them."""
    now = {key: hashlib.sha256(value.encode()).hexdigest()[:8] for key, value, _ in effective(settings)}
    now["the school's files"] = school_version
    before: dict[str, str] = {}
    for entry in trail.verify().entries:
        found = entry.details.get("settings")
        if entry.action == CHANGED and isinstance(found, dict):
            before = {str(key): str(value) for key, value in found.items()}
    changed = sorted(key for key in {*now, *before} if now.get(key) != before.get(key))
    if changed:
        told = changed if before else []
        trail.add(CHANGED, {"account": account()}, details={"changed": told, "first": not before, "settings": now})
    return changed
