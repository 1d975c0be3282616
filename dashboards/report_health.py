"""Do the reports arrive? Health checks over what the process that sends them wrote down, and over its settings.

`state.json` in the folder of reports says what waits or was given up; it is written with every round, so its age tells
whether anybody sends. No store is opened here, and no mail server is asked.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dashboards.mail import PROBLEMS
from dashboards.settings import ReportSettings
from pipeline.issued import FAILED, PENDING, Delivery
from sensor.durable import write_whole
from sensor.health import Registry, Severity, Verdict, fine, unknown

STATE = "state.json"
LATE_S = 900.0
"""Age of the last round after which nobody seems to send: `schoolgate run` looks every minute."""
GIVEN_UP_S = 7 * 86_400.0


@dataclass(frozen=True, slots=True)
class ReportFacts:
    """What the checks look at. state: what was written down, None if there is nothing. trouble: why a password or a
    PDF cannot be had, '' if nothing is wrong."""

    now: float
    to: int
    state: dict[str, Any] | None
    trouble: str


REPORTS: Registry[ReportFacts] = Registry()


def note_state(folder: Path, every: Iterable[Delivery], now: float) -> None:
    """Writes down how the sending stands, for who may not open the store. Raises OSError."""
    names = ("period", "state", "attempt", "problem", "changed")
    rows = [
        {name: getattr(one, name) for name in names}
        for one in every
        if one.state == PENDING or (one.state == FAILED and now - one.changed < GIVEN_UP_S)
    ]
    write_whole(folder / STATE, json.dumps({"at": int(now), "waiting": rows}).encode())


def facts_of(settings: ReportSettings, now: float) -> ReportFacts:
    """The facts of a school's settings and folder."""
    state = None
    with contextlib.suppress(OSError, ValueError):
        state = json.loads((settings.folder / STATE).read_text(encoding="utf-8"))
    readers = settings.to or settings.terms_to
    return ReportFacts(now, len(readers), state if isinstance(state, dict) else None, _trouble(settings))


def _trouble(settings: ReportSettings) -> str:
    path: Path | None = settings.password_file
    if path is not None:
        try:
            if path.stat().st_mode & 0o077:
                return f"Others can read {path}; run: chmod 600 {path}"
        except OSError as error:
            return f"{path} cannot be read ({error.strerror}); correct report.password_file"
    if settings.user and settings.tls == "none" and settings.host not in ("localhost", "127.0.0.1", "::1"):
        return "The mail server's password travels unencrypted; set report.tls to starttls or tls"
    return ""


@REPORTS.check("report_mail", "Weekly report by mail")
def _mail(f: ReportFacts) -> Verdict:
    if not f.to:
        return unknown("Nobody gets the weekly report by mail; it is kept in the store. Set report.to to send it.")
    if f.trouble:
        sentence, _, mend = f.trouble.partition("; ")
        return Verdict(Severity.FAIL, f"{sentence}.", "", f"{mend[:1].upper()}{mend[1:]}.")
    if f.state is None:
        return unknown("No report has been sent yet; `schoolgate run` sends them when they are due.")
    rows = [row for row in f.state.get("waiting", ()) if isinstance(row, dict)]
    lost = [row for row in rows if row.get("state") == "failed"]
    tried = [row for row in rows if row.get("state") == "pending" and row.get("attempt")]
    mend = "Correct [report] in the settings, then: schoolgate report --send"
    if lost or tried:
        row = (lost or tried)[0]
        why = PROBLEMS.get(str(row.get("problem")), "it is not known why")
        how = "was given up" if lost else f"waits after {row.get('attempt')} attempts"
        severity = Severity.FAIL if lost or int(row.get("attempt", 0)) >= 3 else Severity.WARN
        return Verdict(severity, f"The report of {row.get('period')} {how}: {why}.", str(len(lost + tried)), mend)
    age = f.now - float(f.state.get("at", 0))
    if age > LATE_S:
        sentence = f"Nobody has looked what is due for {age / 3600:.0f} h."
        return Verdict(Severity.WARN, sentence, f"{age / 3600:.0f} h", "See whether `schoolgate run` is at work.")
    if f.to == 1:
        return fine("Everything that was due has been sent, to 1 address.", "0")
    return fine(f"Everything that was due has been sent, to {f.to} addresses.", "0")


@REPORTS.check("report_pdf", "Weekly report as PDF")
def _pdf(f: ReportFacts) -> Verdict:
    from dashboards.pdf import PACKAGES, missing

    if what := missing():
        return Verdict(
            Severity.WARN, f"No PDF can be made ({what}); the page goes as HTML.", "", f"apt-get install {PACKAGES}"
        )
    return fine("PDFs can be made.", "ok")
