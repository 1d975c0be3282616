"""`schoolgate report`: the weekly report as a file, as it would be, as it was issued; sending it; what became of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from deploy.commands._say import fail, failing_well
from deploy.commands._store import ABOUT

if TYPE_CHECKING:
    from dashboards.language import Language
    from dashboards.report import Told
    from dashboards.schools import SchoolInfo
    from deploy.assembly import SchoolFiles
    from pipeline.store import Store
    from pipeline.terms import Term


@click.command("report")
@click.option("--week", metavar="YYYY-Www", help="ISO week, as 2026-W47.")
@click.option(
    "--term", metavar="NAME", help="A term instead, by its name in calendar.csv or a day in it; for governors."
)
@click.option("--config", "path", type=click.Path(exists=True, path_type=Path), help="Settings file, or its folder.")
@click.option("--store", "store_path", type=click.Path(exists=True, path_type=Path), help=ABOUT)
@click.option(
    "--out", type=click.Path(path_type=Path), help="File to write: .html, .pdf or .txt; - for HTML on stdout."
)
@click.option("--language", "lang", type=click.Choice(["en", "cy"]), help="Language of the file.  [default: en]")
@click.option("--school", "school", help="School id, if the store holds several.")
@click.option("--contact", default="", help="Whom to ask or complain to, for the footer; else report.contact.")
@click.option("--issue", type=click.IntRange(min=1), help="The report as it was issued, by its version.")
@click.option("--preview", is_flag=True, help="Print what the report would say now; nothing is kept or sent.")
@click.option("--send", is_flag=True, help="Send it now; without --week: what is due.")
@click.option("--to", multiple=True, metavar="ADDRESS", help="Send it to this address instead; may be repeated.")
@click.option("--list", "listing", is_flag=True, help="List what was issued, and what became of each mail.")
@click.option("--json", "as_json", is_flag=True, help="With --list: print JSON.")
def command(
    week: str | None,
    term: str | None,
    path: Path | None,
    store_path: Path | None,
    out: Path | None,
    lang: Language | None,
    school: str | None,
    contact: str,
    issue: int | None,
    preview: bool,
    send: bool,
    to: tuple[str, ...],
    listing: bool,
    as_json: bool,
) -> None:
    """Write, preview, send or list the reports of a school.

    Small numbers are hidden in all of them. Reports are issued and sent by `schoolgate run` when they are due; a week
    that a correction changes is issued again, and says what changed.

    \b
    Example:  schoolgate report --week 2026-W47 --store store/ --out report.pdf
              schoolgate report --preview --config /etc/schoolgate
              schoolgate report --send --week 2026-W47 --to chair@school.example --config /etc/schoolgate
              schoolgate report --list --config /etc/schoolgate
              schoolgate report --term "Autumn 2026" --config /etc/schoolgate --out term.pdf
    """
    if path is None and store_path is None:
        raise click.UsageError("name the store or the settings: --store or --config")
    if path is None and (send or term):
        raise click.UsageError("--send and --term need --config: who gets it, and when terms are, stand there")
    if to and not send:
        raise click.UsageError("--to goes with --send")
    if week and term:
        raise click.UsageError("--week or --term, not both")
    if not (week or term or preview or send or listing):
        raise click.UsageError("say which: --week, --term, --preview, --send or --list")
    with failing_well():
        from dashboards.week import monday_of

        files = _files(path)
        if week:
            monday_of(week)  # refuses what is none
        if send:
            _send(files, store_path, week, term, to)
        elif listing:
            _list(files, store_path, school, as_json)
        else:
            with _reading(files, store_path) as store:
                told = _issued(store, files, school, week, term, issue, lang) if issue else None
                if told is None:
                    told = _now(store, files, school, week, term, lang or "en", contact)
            _put(told, out, preview)


def _files(path: Path | None) -> SchoolFiles | None:
    from deploy.assembly import read_school

    return read_school(path) if path else None


@contextmanager
def _reading(files: SchoolFiles | None, store_path: Path | None) -> Iterator[Store]:
    from deploy.stores import reading

    with reading(store_path, files.settings.store if files else None) as store:
        yield store


def _school(store: Store, files: SchoolFiles | None, id_: str | None) -> SchoolInfo:
    """The school that is named, else the one whose files are given, else the store's first."""
    from dashboards.schools import find_school

    return find_school(store, id_ or (files.settings.school.id if files else None))


def _now(
    store: Store,
    files: SchoolFiles | None,
    school: str | None,
    week: str | None,
    term: str | None,
    lang: Language,
    contact: str,
) -> Told:
    """The report of a period as the store has it now."""
    import time
    from datetime import datetime

    from dashboards.report import tell
    from dashboards.week import monday_of, week_of, week_view

    info = _school(store, files, school)
    contact = contact or (files.settings.report.contact if files else "")
    if term:
        from dashboards.term import tell_term, term_view

        assert files is not None
        found = _term(files, term)
        return tell_term(term_view(store, info, found, files.school), lang, contact)
    chosen = week or week_of(datetime.fromtimestamp(time.time(), info.tz).date())
    standing = None
    if files:
        from deploy.standing import standing_in

        standing = standing_in(files, monday_of(chosen))
    return tell(week_view(store, info, chosen), lang, contact, standing)


def _issued(
    store: Store,
    files: SchoolFiles | None,
    school: str | None,
    week: str | None,
    term: str | None,
    number: int | None,
    lang: Language | None,
) -> Told:
    """A report as it was issued."""
    from dashboards.report import Told
    from dashboards.schedule import period_of
    from pipeline.issued import issue_of

    info = _school(store, files, school)
    period = week or (period_of(_term(files, term)) if term and files else "")
    found = issue_of(store, info.id, period, number)
    if found is None:
        fail(f"version {number} of {period or 'which week?'} was never issued; see: schoolgate report --list")
    code: str = lang or next(iter(found.pages))
    if code not in found.pages:
        fail(f"{period} was issued in {', '.join(found.pages)} only")
    return Told(found.mails["subject"], found.pages[code], found.mails["html"], found.mails["text"])


def _term(files: SchoolFiles, text: str) -> Term:
    from dashboards.schedule import find_term

    return find_term(files.school, text)


def _put(told: Told, out: Path | None, preview: bool) -> None:
    if out is None and preview:
        click.echo(told.text)
    elif out is None or str(out) == "-":
        click.echo(told.page)
    else:
        if out.suffix == ".pdf":
            from dashboards.pdf import pdf_of

            out.write_bytes(pdf_of(told.page))
        else:
            out.write_text(told.text if out.suffix == ".txt" else told.page, "utf-8")
        click.echo(f"{told.subject}: {out}")


def _send(
    files: SchoolFiles | None, store_path: Path | None, week: str | None, term: str | None, to: tuple[str, ...]
) -> None:
    """Sends by ourselves, or leaves it to the process that has the store."""
    from dashboards.mail import PROBLEMS
    from dashboards.schedule import period_of
    from deploy.acts import SEND
    from deploy.asking import ask_for, check_addresses
    from deploy.commands._say import note
    from deploy.jobs import have_done
    from deploy.reporting import Reporting, readers_of
    from deploy.stores import owning
    from pipeline.engine import StoreBusy

    assert files is not None
    settings = files.settings.report
    period = period_of(_term(files, term)) if term else week or ""
    check_addresses(period, to)
    if not (to or readers_of(settings, period) or (not period and settings.terms_to)):
        fail("nobody is set to send it to; set report.to in the settings, or give --to")
    try:
        with owning(store_path, files.settings.store) as store:
            asked = ask_for(settings.folder, period, to) if period else None
            reporting = Reporting(files, store)
            tried = reporting.work()
            reporting.close()
    except StoreBusy:
        have_done(files.path, store_path, SEND, {"period": period, "to": to}, note)
        click.echo("The process that has the store sends it now; see: schoolgate report --list")
        return
    for one in tried:
        state = one.state if one.state != "pending" else f"waits: {PROBLEMS[one.problem]}; it is tried again"
        click.echo(f"{one.period}, version {one.issue}: {state}")
    if not tried:
        click.echo("Nothing is due." if asked is None else "Another process sends; see: schoolgate report --list")
    if any(one.state != "sent" for one in tried):
        raise click.exceptions.Exit(1)


def _list(files: SchoolFiles | None, store_path: Path | None, school: str | None, as_json: bool) -> None:
    from datetime import UTC, datetime

    from dashboards.mail import PROBLEMS
    from pipeline.issued import deliveries, issues

    with _reading(files, store_path) as store:
        info = _school(store, files, school)
        known, sent = issues(store, info.id), deliveries(store, info.id)
    rows = []
    for one in known:
        made = datetime.fromtimestamp(one.made, UTC).isoformat(timespec="minutes")
        mails = [
            {
                "to": "a copy" if d.copy else "report.to",
                "state": d.state,
                "attempt": d.attempt,
                "possible_duplicate": bool(d.possible_duplicate),
                "problem": PROBLEMS.get(d.problem, ""),
                "at": datetime.fromtimestamp(d.changed, UTC).isoformat(timespec="minutes"),
            }
            for d in sent
            if (d.period, d.issue) == (one.period, one.issue)
        ]
        rows.append({"period": one.period, "version": one.issue, "made": made, "left_out": one.why, "mails": mails})
    if as_json:
        click.echo(json.dumps(rows, indent=1))
        return
    for row, one in zip(rows, known, strict=True):
        what = f"version {one.issue}" if not one.left_out else f"left out: {one.name or one.why}"
        click.echo(f"{one.period:17} {what:24} {row['made']}")
        for mail in row["mails"] if isinstance(row["mails"], list) else ():
            more = " (possible duplicate)" if mail["possible_duplicate"] else ""
            problem = f", {mail['problem']}" if mail["problem"] else ""
            times = f"attempt {mail['attempt']}, {mail['at']}{problem}"
            click.echo(f"{'':18}{mail['to']}: {mail['state']}{more}, {times}")
    if not rows:
        click.echo("No report has been issued yet.")
