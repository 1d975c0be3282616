"""`schoolgate store`: its tables, its users, and whether each school reads its own rows only."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import click

from deploy.commands._say import fail, failing_well

CONFIG = click.option(
    "--config",
    "path",
    required=True,
    type=click.Path(exists=True, path_type=Path),
    help="Settings file, or its folder.",
)


@click.group("store")
def command() -> None:
    """The store: its tables, its users on ClickHouse servers, and who sees what.

    \b
    Example:  schoolgate store schema
              schoolgate store prepare --config /etc/schoolgate/schoolgate.toml
    """


@command.command("schema")
@click.option("--sql", is_flag=True, help="Print the statements that make the tables.")
@click.option("--cluster", default="", metavar="NAME", help="With --sql: of a cluster of servers.")
def schema(sql: bool, cluster: str) -> None:
    """Describe every table and column, or print the statements that make them on a ClickHouse server.

    \b
    Example:  schoolgate store schema
              schoolgate store schema --sql --cluster council
    """
    from pipeline import ddl
    from pipeline.schema import describe

    if not sql:
        click.echo(describe(), nl=False)
        return
    _refuse_odd(cluster)
    click.echo(";\n\n".join(ddl.create_statements(ddl.server_dialect(ddl.MODERN, cluster))) + ";")


@command.command("prepare")
@CONFIG
def prepare(path: Path) -> None:
    """Make the tables of the store that the settings name, or bring them up to this version.

    On servers of a council run it as their administrator before the schools' sensors, which may not change tables.

    \b
    Example:  schoolgate store prepare --config /etc/schoolgate/schoolgate.toml
    """
    with failing_well():
        from deploy.assembly import settings_path
        from deploy.settings import load_settings
        from deploy.stores import owning, reading
        from pipeline.schema import DATABASE, VERSION
        from pipeline.store import StoreBusy

        settings = load_settings(settings_path(path)).store
        try:
            with owning(None, settings):
                click.echo(f"The store's tables are those of schema {VERSION}.")
        except StoreBusy as busy:
            with reading(None, settings) as store:
                ((version,),) = store.query(f"SELECT max(version) FROM {DATABASE}.schema_version").rows
            if version != VERSION:
                fail(
                    f"{busy.held}, with tables of schema {version}; start that "
                    f"process anew (systemctl restart schoolgate) to bring them up to {VERSION}",
                    3,
                )
            click.echo(f"The store's tables are those of schema {VERSION}: the process that has it made them so.")


@command.command("users")
@click.argument("schools", nargs=-1, required=True, metavar="SCHOOL...")
@click.option(
    "--passwords",
    "folder",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of the passwords' files (mode 0600); those that are missing are made.",
)
@click.option("--cluster", default="", metavar="NAME", help="Name of the cluster, for servers that are one.")
@click.option("--as-file", is_flag=True, help="Print a file for users.d instead of SQL.")
def users(schools: tuple[str, ...], folder: Path, cluster: str, as_file: bool) -> None:
    """Print what makes the users of ClickHouse servers: grafana, and for each SCHOOL (its id) a reader and a sensor.

    A school's reader sees its own rows only. Passwords are made and stay in the folder; their hashes are printed.

    \b
    Example:  schoolgate store users ysgol-a ysgol-b --passwords passwords/ --cluster council
    """
    _refuse_odd(cluster)
    with failing_well():
        from pipeline import ddl, roles

        names = roles.names_of(schools)
        roles.refuse_odd_schools(schools)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        made = roles.users_of(schools, {name: _password(folder / name) for name in names})
        dialect = ddl.server_dialect(ddl.MODERN, cluster)
        text = roles.as_file(made, dialect) if as_file else ";\n".join(roles.as_sql(made, dialect)) + ";\n"
    click.echo(text, nl=False)


@command.command("check")
@CONFIG
@click.option("--school", "school_id", help="School id; else school.id of the settings.")
def check(path: Path, school_id: str | None) -> None:
    """See whether the user of the settings reads its school's rows only, and may change nothing. Status 1 if not.

    \b
    Example:  schoolgate store check --config reader/schoolgate.toml --school ysgol-a
    """
    with failing_well():
        from deploy.assembly import settings_path
        from deploy.settings import load_settings
        from pipeline.opening import address_of
        from pipeline.roles import leaks
        from pipeline.server import ServerStore

        settings = load_settings(settings_path(path))
        if not settings.store.servers:
            fail("the settings name no servers: an embedded store has one user, whoever may read its folder")
        with ServerStore(address_of(settings.store), reading=True) as store:
            found = leaks(store, school_id or settings.school.id)
    for leak in found:
        click.echo(leak)
    if found:
        fail(f"the user {settings.store.user} sees or may do more than it should; see deploy/cluster/README.md")
    click.echo(f"The user {settings.store.user} reads the rows of {school_id or settings.school.id}, and nothing else.")


def _refuse_odd(cluster: str) -> None:
    if cluster and not cluster.isidentifier():
        raise click.UsageError(f"--cluster {cluster!r} is not a name; use a-z, 0-9 and _")


def _password(path: Path) -> str:
    """The password in a file, which is made if it is not there."""
    if not path.exists():
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
            file.write(secrets.token_urlsafe(24) + "\n")
    return path.read_text(encoding="utf-8").split("\n")[0]
