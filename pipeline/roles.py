"""Who may do what on a ClickHouse server: the rights, made of what the tables are for, as SQL or as a file of users.

Three kinds of users. `grafana` reads aggregates of all schools: no episodes, no marks, no contests. A school reads its
own rows of every table and nothing of others: by a row policy on each table. A school's sensor writes and removes rows;
the server cannot see to it that they are the school's own (row policies bind reading only), so sensors are as much to
be trusted as the council that runs them. All that read do so with `readonly = 1` and limits of time and memory, which
they cannot change. Nobody of them may change tables: `schoolgate store prepare` does, as the server's administrator.
SQL is for modern servers; the file (users.d) says the same to every version, and is what is tested on 18.16.
Passwords appear as SHA-256 only. The key of the pseudonyms is never in the database: nothing here can read it.
On a cluster a policy holds only if the servers ask each other as the user who asked them: <secret> in remote_servers.
`leaks` is how to see it: what a school's reader sees and can do beyond its own, asked as that reader.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from pipeline.ddl import Dialect
from pipeline.schema import TABLES, quoted
from pipeline.server import ServerStore
from pipeline.store import StoreError

AGGREGATES = (
    *("use_five", "use_period", "use_day", "coverage", "bell", "batch", "school_info", "school_day"),
    *("alert", "alert_delivery"),  # nothing in them stands for a person or a device
)
"""What dashboards show: sums, and what is needed to read them."""

LIMITS: dict[str, int] = {
    "max_execution_time": 30,
    "max_memory_usage": 1_000_000_000,
    "max_rows_to_read": 200_000_000,
    "max_result_rows": 1_000_000,
    "max_concurrent_queries_for_user": 8,
}
"""Of those who read; max_execution_time in seconds."""

LONGEST_S = 60
"""Of a query, where who asks gives a limit of its own."""

OF_SCHOOL = tuple(table.name for table in TABLES if table.columns[0].name == "school")
_ID = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


@dataclass(frozen=True, slots=True)
class User:
    """A user of the server; `school`: '' for all schools; `writes`: a school's sensor."""

    name: str
    password: str
    school: str = ""
    writes: bool = False

    @property
    def tables(self) -> tuple[str, ...]:
        """What the user reads."""
        if self.writes:
            return tuple(table.name for table in TABLES)
        return (*OF_SCHOOL, "schema_version") if self.school else AGGREGATES

    @property
    def digest(self) -> str:
        """What the server keeps of the password."""
        return hashlib.sha256(self.password.encode()).hexdigest()


def users_of(schools: Sequence[str], passwords: dict[str, str]) -> list[User]:
    """Grafana's user, and two for each school; `passwords` by name of the user (see `names_of`). Raises ValueError."""
    refuse_odd_schools(schools)
    users = [User("grafana", passwords["grafana"])]
    for school in schools:
        users.append(User(f"read_{school}", passwords[f"read_{school}"], school))
        users.append(User(f"sensor_{school}", passwords[f"sensor_{school}"], school, writes=True))
    return users


def refuse_odd_schools(schools: Sequence[str]) -> None:
    """Raises StoreError for what is no id of a school: it would become part of names and statements."""
    if wrong := [school for school in schools if not _ID.fullmatch(school)]:
        raise StoreError(f"{wrong[0]!r} is not the id of a school, as school.id of the settings has it")


def names_of(schools: Sequence[str]) -> list[str]:
    """The names of the users that `users_of` makes."""
    return ["grafana", *(f"{kind}_{school}" for school in schools for kind in ("read", "sensor"))]


def as_sql(users: Sequence[User], dialect: Dialect) -> list[str]:
    """Statements for a modern server, to be run by its administrator; each may be run again."""
    on = f" ON CLUSTER {dialect.cluster}" if dialect.cluster else ""
    limits = ", ".join(f"{name} = {value} {_bound(name)}" for name, value in LIMITS.items())
    found = [f"CREATE SETTINGS PROFILE OR REPLACE schoolgate_reading{on} SETTINGS readonly = 1 CONST, {limits}"]
    for user in users:
        profile = "" if user.writes else " SETTINGS PROFILE schoolgate_reading"
        found.append(
            f"CREATE USER OR REPLACE `{user.name}`{on} IDENTIFIED WITH sha256_hash BY '{user.digest}'{profile}"
        )
        for database in dialect.databases:
            found += [f"GRANT{on} SELECT ON {database}.`{table}` TO `{user.name}`" for table in user.tables]
            if user.writes:
                found.append(f"GRANT{on} INSERT, ALTER DELETE ON {database}.* TO `{user.name}`")
        if user.writes and dialect.cluster:
            found.append(f"GRANT{on} CLUSTER ON *.* TO `{user.name}`")  # to delete on all servers
    bound = [user for user in users if user.school]
    for database in dialect.databases:
        for table in OF_SCHOOL if bound else ():
            place = f"{on} ON {database}.`{table}`"
            for user in bound:
                rule = f"USING school = {quoted(user.school)} TO `{user.name}`"
                found.append(f"CREATE ROW POLICY OR REPLACE `{user.name}`{place} {rule}")
            others = ", ".join(f"`{user.name}`" for user in bound)
            found.append(f"CREATE ROW POLICY OR REPLACE schoolgate_others{place} USING 1 TO ALL EXCEPT {others}")
    return found


def _bound(name: str) -> str:
    """Whether who reads may change a limit: Grafana's plugin sends the time of its panels, which may be longer."""
    return f"MAX {LONGEST_S} CHANGEABLE_IN_READONLY" if name == "max_execution_time" else "CONST"


def as_file(users: Sequence[User], dialect: Dialect, networks: Sequence[str] = ("::/0",)) -> str:
    """The same as a file for `users.d` of each server; modern ones also read the grants in it."""
    limits = "".join(f"<{name}>{value}</{name}>" for name, value in LIMITS.items())
    places = "".join(f"<ip>{escape(network)}</ip>" for network in networks)
    entries = []
    for user in users:
        databases = "".join(f"<database>{name}</database>" for name in dialect.databases)
        rules = ""
        if user.school:
            rule = f"<filter>school = {escape(quoted(user.school))}</filter>"
            tables = "".join(f"<{table}>{rule}</{table}>" for table in OF_SCHOOL)
            rules = "<databases>" + "".join(f"<{name}>{tables}</{name}>" for name in dialect.databases) + "</databases>"
        rights = [f"GRANT SELECT ON {name}.{table}" for name in dialect.databases for table in user.tables]
        if user.writes:
            rights += [f"GRANT INSERT, ALTER DELETE ON {name}.*" for name in dialect.databases]
        grants = "".join(f"<query>{right}</query>" for right in rights) if dialect.modern else ""
        entries.append(
            f"<{user.name}><password_sha256_hex>{user.digest}</password_sha256_hex><networks>{places}</networks>"
            f"<profile>{'default' if user.writes else 'schoolgate_reading'}</profile><quota>default</quota>"
            f"<allow_databases>{databases}</allow_databases>{rules}"
            + (f"<grants>{grants}</grants>" if grants else "")
            + f"</{user.name}>"
        )
    root = "clickhouse" if dialect.modern else "yandex"
    longest = f"<max_execution_time><max>{LONGEST_S}</max><changeable_in_readonly/></max_execution_time>"
    bounds = f"<constraints>{longest}</constraints>" if dialect.modern else ""
    profile = f"<schoolgate_reading><readonly>1</readonly>{limits}{bounds}</schoolgate_reading>"
    return f"<{root}>\n<profiles>{profile}</profiles>\n<users>\n" + "\n".join(entries) + f"\n</users>\n</{root}>\n"


def leaks(store: ServerStore, school: str) -> list[str]:
    """What the user of this store sees that is not the school's, and what it can do that a reader must not.

    Who may do it makes a table of its own in asking, and drops it again; nothing else is changed.
    """
    found = []
    for database in store.dialect.databases:
        for table in OF_SCHOOL:
            try:
                sql = f"SELECT count() FROM {database}.`{table}` WHERE school != {{school:String}}"
                ((rows,),) = store.query(sql, {"school": school}).rows
            except StoreError as error:
                found.append(f"{database}.{table} cannot be read: {error}")
                continue
            if rows:
                found.append(f"{database}.{table} shows rows of other schools ({rows})")
    for what in ("CREATE TABLE {}.schoolgate_try (a UInt8) ENGINE = Log", "DROP TABLE IF EXISTS {}.schoolgate_try"):
        statement = what.format(store.dialect.databases[0])
        try:
            store.execute(statement)
        except StoreError:
            continue
        found.append(f"may run {statement.split(' (')[0]}")
    return found
