"""The `schoolgate` command. Each subcommand lives in `deploy.commands` and is imported only when it runs, so that help
is quick.

Exit codes: 0 done; 1 something the user asked about is wrong (bad settings, no such day); 2 wrong usage, or a file
that is no capture; 3 the store is held by another process. Messages go to stderr, results to stdout.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

import click

# name -> (module in deploy.commands, one line of help)
COMMANDS = {
    "classify": ("classify", "Name every flow of capture files."),
    "explain": ("explain", "Explain one flow of a capture, packet by packet, beside tshark."),
    "replay": ("replay", "Run captures through the whole way into a store."),
    "run": ("run", "Watch a mirror port: sensor workers, store and pages."),
    "serve": ("serve", "Serve the pages of a store that nobody else has open."),
    "account": ("account", "Who may log in to the pages: add, list, reset, remove."),
    "report": ("report", "Write, preview, send or list the weekly and termly reports."),
    "export": ("export", "Write aggregates as CSV or Parquet, small numbers hidden."),
    "import": ("imports", "Import timetables, rotas and calendars: look, apply, take back."),
    "retag": ("retag", "Judge past minutes anew after a correction; the old outcomes are kept."),
    "state": ("state", "Show what one person was scheduled to do on a date."),
    "why": ("why", "Explain an outcome: the evidence, the rule, the sources."),
    "rules": ("rules", "Print the rules as sentences, with the school's limits."),
    "sites": ("sites", "List or check the register of official school sites."),
    "catalogue": ("catalogue", "List the services, add or re-grade one, see the effect first, take it back."),
    "wiki": ("wiki", "Edits of wikis: find them in captures, measure how well, fit it to your network."),
    "feeds": ("feeds", "Show each identity feed: records, age, clock, what was refused and dropped."),
    "doctor": ("doctor", "Check machine, mirror port and sensor: what is wrong, what to do."),
    "alerts": ("alerts", "List, show and acknowledge alerts, and try their channels."),
    "audit": ("audit", "Check or read the audit trail."),
    "lookup": ("lookup", "Ask, approve and see who is behind an episode: two people, one reason."),
    "contest": ("contest", "Contest an episode, and decide about it."),
    "subject-access": ("subject_access", "Write all that is kept about one person."),
    "pause": ("pause", "Stop observing for a time, with the reason."),
    "resume": ("resume", "Observe again after a pause."),
    "notice": ("notice", "Write the notice to staff from the settings, in English or Welsh."),
    "dpia": ("dpia", "Write the draft of the impact assessment, or the record of processing."),
    "retention": ("retention", "Remove what is older than the notice says, and prove it."),
    "backup": ("backup", "Back the store up while its owner works; `run` does it every night."),
    "restore": ("restore", "Restore a backup into an empty store, or check one."),
    "store": ("store", "The store's tables, its users on servers, and who sees what."),
    "config": ("config", "Check or show the settings."),
    "bench": ("bench", "Measure the sensor against the memory's speed."),
    "grafana": ("grafana", "Write, check, push, compare or fetch the Grafana dashboards."),
}


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"deploy.commands.{COMMANDS[cmd_name][0]}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="schoolgate")
def schoolgate() -> None:
    """A network monitor for a school's gateway: social-media use against the staff timetable, fairly.

    \b
    Example:  schoolgate replay day.pcap --school school/ --store store/
              schoolgate serve --store store/
    """


def main(args: Sequence[str] | None = None) -> None:
    """Entry point of the console script."""
    try:
        code = schoolgate.main(args=args, standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(130)


if __name__ == "__main__":
    main()
