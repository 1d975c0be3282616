"""Is privacy kept? Health checks over what the audit trail says, for `schoolgate doctor`, pages and metrics alike.

The checks are pure functions of `PrivacyFacts`; `privacy_facts` reads the trail and the key file's mode, no store: the
process that owns the store writes what it did into the trail.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pipeline.audit import AuditError, AuditTrail
from pipeline.chain import Verdict as Chain
from pipeline.notice import ISSUED, SIGNED, Currency, currency
from pipeline.pause import Pause, pause_at
from pipeline.retention import ENFORCED
from sensor.health import Registry, Severity, Verdict, fine, unknown

LATE_S = 26 * 3600
"""Age of the last run of the retention after which something is wrong: it runs every hour."""

PRIVACY: Registry[PrivacyFacts] = Registry()


@dataclass(frozen=True, slots=True)
class PrivacyFacts:
    """What the checks look at. `chain` None: the trail cannot be read, and `trouble` says why."""

    now: float
    chain: Chain | None
    trouble: str
    version: str
    pause: Pause | None
    keys_mode: int | None


def privacy_facts(
    trail: AuditTrail,
    version: str,
    pauses: tuple[Pause, ...],
    keys: Path | None,
    now: Callable[[], float] = time.time,
) -> PrivacyFacts:
    """Facts of a school; `version` is that of its documents now (pipeline.notice), `keys` the file of pseudonyms."""
    chain, trouble, at = None, "", now()
    try:
        chain = trail.verify()
    except AuditError as error:
        trouble = str(error)
    mode = keys.stat().st_mode & 0o777 if keys is not None and keys.exists() else None
    return PrivacyFacts(at, chain, trouble, version, pause_at(at, pauses), mode)


@PRIVACY.check("audit", "Audit trail")
def _audit(f: PrivacyFacts) -> Verdict:
    if f.chain is None:
        mend = "Run the privacy commands as the user that runs Schoolgate."
        return Verdict(Severity.FAIL, f.trouble, "", mend)
    if f.chain.broken:
        line, why = f.chain.broken
        mend = "Tell the data protection officer; `schoolgate audit verify` says the same."
        return Verdict(Severity.FAIL, f"The audit trail is broken at line {line}: {why}.", str(line), mend)
    torn = f"; {len(f.chain.torn)} lines were cut short by an interruption" if f.chain.torn else ""
    return fine(f"{len(f.chain.entries)} entries, none changed, none missing{torn}.", str(len(f.chain.entries)))


@PRIVACY.check("retention", "Retention")
def _retention(f: PrivacyFacts) -> Verdict:
    runs = [entry for entry in (f.chain.entries if f.chain else ()) if entry.action == ENFORCED]
    if not runs:
        return unknown("Nothing has been removed by age yet; `schoolgate run` does it every hour.")
    last, mend = runs[-1], "See the log of `schoolgate run`; `schoolgate retention` does it by hand."
    if last.result != "done":
        problems = last.details.get("problems")
        told = "; ".join(map(str, problems)) if isinstance(problems, list) else ""
        return Verdict(Severity.FAIL, f"Data are older than the notice says: {told}.", last.result, mend)
    age = f.now - last.at.timestamp()
    value = f"{age / 3600:.0f} h ago"
    if age > LATE_S:
        return Verdict(
            Severity.FAIL, f"Nothing has been removed by age since {last.at:%Y-%m-%d %H:%M} UTC.", value, mend
        )
    return fine(f"What is too old was removed at {last.at:%Y-%m-%d %H:%M} UTC.", value)


def _document(f: PrivacyFacts, action: str, name: str, mend: str) -> Verdict:
    found = currency(f.chain.entries if f.chain else (), action, f.version)
    if found is Currency.CURRENT:
        return fine(f"The {name} is of the present settings.", f.version)
    return Verdict(Severity.WARN, f"The {name} is {found}; the settings are of version {f.version}.", found.value, mend)


@PRIVACY.check("notice", "Notice to staff")
def _notice(f: PrivacyFacts) -> Verdict:
    return _document(f, ISSUED, "notice", "Give staff the new one: schoolgate notice --issue --as ROLE/NAME")


@PRIVACY.check("assessment", "Impact assessment")
def _assessment(f: PrivacyFacts) -> Verdict:
    return _document(f, SIGNED, "impact assessment", "Have it signed: schoolgate dpia --sign --as ROLE/NAME")


@PRIVACY.check("pause", "Pause")
def _pause(f: PrivacyFacts) -> Verdict:
    if f.pause is None:
        return fine("Monitoring is not paused.", "off")
    mend = "End it when it is over: schoolgate resume"
    return Verdict(Severity.WARN, f"Nobody is observed: {f.pause.reason}.", f.pause.reason.value, mend)


@PRIVACY.check("pseudonym_keys", "Pseudonym keys")
def _keys(f: PrivacyFacts) -> Verdict:
    if f.keys_mode is None:
        return fine("There are no pseudonym keys.", "none")
    if f.keys_mode & 0o077:
        return Verdict(
            Severity.FAIL, "Others can read the pseudonym keys.", oct(f.keys_mode), "chmod 600 the key file."
        )
    return fine("Only their owner can read the pseudonym keys.", oct(f.keys_mode))
