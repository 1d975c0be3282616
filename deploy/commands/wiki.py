"""`schoolgate wiki`: edits of wikis, told from reads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from deploy.commands._say import Progress, fail, failing_well

if TYPE_CHECKING:
    from pipeline.wiki.constants import Constants
    from pipeline.wiki.detector import Thresholds

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_sizes = click.option("--sizes", type=_FILE, help="Sizes of your wikis' answers, as `wiki calibrate` writes them.")
_profile = click.option("--profile", default="cwmbran", show_default=True, help="Policy profile with the thresholds.")


@click.group("wiki")
def command() -> None:
    """Edits of Wikipedia and other wikis: find them in captures, measure how well, fit it to your network.

    An edit inside TLS is told from a read by the sizes and times of records. It is a hint, never a proof.

    \b
    Example:  schoolgate wiki alarms monday.pcap
              schoolgate wiki evaluate sessions/
    """


@command.command("alarms")
@click.argument("captures", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--jsonl", is_flag=True, help="One JSON object per alarm.")
@_sizes
@_profile
def alarms(captures: tuple[Path, ...], jsonl: bool, sizes: Path | None, profile: str) -> None:
    """Print the edits that CAPTURES show.

    \b
    Example:  schoolgate wiki alarms monday.pcap --jsonl
    """
    with failing_well():
        from datetime import UTC, datetime

        from pipeline.wiki.captures import alarms_of
        from sensor.capture import CaptureError

        constants, thresholds = _rules(sizes, profile)
        try:
            for found in alarms_of(captures, constants, thresholds, told=_say):
                if jsonl:
                    click.echo(json.dumps(found.as_object()))
                    continue
                alarm = found.alarm
                when = datetime.fromtimestamp(alarm.time, UTC).isoformat(" ", "seconds")
                click.echo(f"{found.file}: {when}  {alarm.wiki}  {alarm.certainty} ({alarm.probability:.0%})")
                for sentence in (*alarm.why, *alarm.always):
                    click.echo(f"    {sentence}")
        except CaptureError as error:
            fail(error, 2)


@command.command("evaluate")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
@_sizes
@_profile
def evaluate(folder: Path, as_json: bool, sizes: Path | None, profile: str) -> None:
    """Measure recall and false alarms on the recorded sessions with truth in FOLDER.

    FOLDER holds SID.pcap.gz, sessions.jsonl, saves.jsonl and page_views.jsonl.

    \b
    Example:  schoolgate wiki evaluate sessions/
    """
    with failing_well():
        from pipeline.wiki.captures import alarms_of
        from pipeline.wiki.trial import TrialError, read_sessions, results
        from sensor.capture import CaptureError

        constants, thresholds = _rules(sizes, profile)
        sessions = read_sessions(folder)
        bar = Progress("Judging", len(sessions))
        found = []
        try:
            for done, sid in enumerate(sessions):
                path = folder / f"{sid}.pcap.gz"
                if not path.exists():
                    raise TrialError(f"{folder / 'sessions.jsonl'}: {sid} has no {path.name}; put it beside the truth")
                found += [(sid, one.alarm) for one in alarms_of([path], constants, thresholds, told=_say)]
                bar.show(done + 1)
        except CaptureError as error:
            fail(error, 2)
        bar.close()
        table = {certainty: result.as_object() for certainty, result in results(sessions.values(), found).items()}
    click.echo(json.dumps(table, indent=1) if as_json else _figures(table))


@command.command("calibrate")
@click.argument("captures", nargs=-1, type=_FILE)
@click.option("--wiki", required=True, help="Host name of the wiki, such as cy.wikipedia.org.")
@click.option("--client", required=True, help="Address of the computer on which you make the test edits.")
@click.option(
    "--edits", required=True, type=click.Path(path_type=Path), help="File that keeps when each edit was made."
)
@click.option("--output", type=click.Path(path_type=Path), default=Path("wiki-sizes.toml"), show_default=True)
def calibrate(captures: tuple[Path, ...], wiki: str, client: str, edits: Path, output: Path) -> None:
    """Fit the sizes of a wiki's answers to your network, by about 20 test edits of your own.

    First without CAPTURES: it says what to edit, one after another, and keeps the times in the file of --edits; record
    the computer's traffic meanwhile. Then with what was recorded: it measures, and writes the sizes to --output.
    Test in your own user page or the wiki's sandbox.

    \b
    Example:  schoolgate wiki calibrate --wiki cy.wikipedia.org --client 10.1.2.3 --edits edits.jsonl
              schoolgate wiki calibrate --wiki cy.wikipedia.org --client 10.1.2.3 --edits edits.jsonl edits.pcap
    """
    with failing_well():
        from pipeline.wiki import calibrate as work

        if not captures:
            _guide(edits, work.PLAN)
            click.echo(f"Stop recording, then run the same command again with the capture; the times are in {edits}.")
            return
        from sensor.capture import CaptureError

        try:
            measured = work.measure(captures, wiki, client, work.read_edits(edits), _say)
        except CaptureError as error:
            fail(error, 2)
        output.write_text(work.toml(wiki, measured))
        for name, one in measured.items():
            click.echo(f"{name}: {one.size:.0f} B (middle half {one.low:.0f}-{one.high:.0f} B, {one.count} edits)")
        click.echo(f"Written to {output}. See the effect with `schoolgate wiki alarms CAPTURE --sizes {output}`.")


def _say(note: str) -> None:
    click.echo(note, err=True)


def _guide(path: Path, plan: tuple[tuple[str, int, str], ...]) -> None:
    import time

    total = sum(count for _, count, _ in plan)
    done = 0
    with path.open("w") as file:
        for kind, count, text in plan:
            for _ in range(count):
                done += 1
                click.echo(f"\nEdit {done} of {total}: {text}")
                click.prompt("Press Enter when you are about to save", default="", show_default=False)
                start = time.time()
                answer = click.prompt(
                    "Press Enter when the saved page is shown; or s: skip this one", default="", show_default=False
                )
                if not answer.lower().startswith("s"):
                    file.write(json.dumps({"kind": kind, "start": start - 2, "end": time.time()}) + "\n")
                    file.flush()


def _rules(sizes: Path | None, profile: str) -> tuple[Constants, Thresholds]:
    from deploy.detecting import rules
    from pipeline.profile import load_profile

    return rules(load_profile(profile, Path()), sizes)


def _figures(table: dict[str, Any]) -> str:
    lines = []
    for certainty, one in table.items():
        lines.append(f"At least {certainty}:")
        for kind, name in (("browser", "browser saves"), ("api", "saves by programs"), ("rollback", "rollbacks")):
            if own := one[kind]:
                low, high = own["interval"]
                lines.append(f"  {name}: {own['found']} of {own['saves']} found ({low:.1%}-{high:.1%})")
        lines.append(
            f"  false: {one['false']} in {one['views']} page views, {one['false_per_10k']:.1f} per 10,000 "
            f"({one['false_lower_per_10k']:.1f}-{one['false_upper_per_10k']:.1f})"
        )
        lines += [f"    {name:42} {own['found']}/{own['saves']}" for name, own in one["scenarios"].items()]
        lines += [
            f"    {name:42} {own['false']} false in {own['views']} views"
            for name, own in one["false_by_scenario"].items()
            if own["false"]
        ]
    return "\n".join(lines)
