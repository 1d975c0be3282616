"""The outbox: every alert, every message about it and what became of it on each channel, in one file that survives.

Theory of operation. It is an SQLite file of its own, not a table of the store: the store belongs to one process and
likes rows that never change, while an alert must be there for the command line too, at once, and each step of its
delivery must be on the disk before the next one begins. The owner copies what has changed into the store's tables
`alert` and `alert_delivery` (pipeline.alerts.copies), where the pages and the report find it.
A delivery, one message on one channel, goes

    pending -> sending -> sent
       ^          |-----> pending again, later (`refused`: nothing was taken; `unclear`: perhaps it was)
       |          '-----> failed: given up
       '--- `recover`: found in `sending` by a process that starts: the one before died in between

and `sending` is written and synced before a byte leaves. Whatever was `sending` without an answer is sent again as a
`possible duplicate`: a message comes once, or it comes twice and says so. An alert that has no message yet is `untold`,
and stays so until the transaction that writes its message. It decides nothing about times or words.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pipeline.alerts.alert import SAME_S, Alert, alert_of, columns_of
from pipeline.alerts.database import (
    TABLES,
    Condition,
    Delivery,
    Message,
    OutboxError,
    delivery_of,
    message_of,
    open_private,
    writing,
)

FILE = "outbox.sqlite"


class Outbox:
    """The outbox in a folder (made with mode 0700). One object a thread; processes may share the folder."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE
        try:
            self._database = open_private(self.path, TABLES)
        except (OSError, sqlite3.Error) as error:
            what = error.strerror if isinstance(error, OSError) else error
            raise OutboxError(
                f"{self.path}: the outbox of alerts cannot be opened ({what}); correct [alerts]"
            ) from None

    def close(self) -> None:
        self._database.close()

    # ------------------------------------------------------------------------------------------------------ alerts

    def add(self, alert: Alert, key: str = "") -> bool:
        """Keeps a new alert, untold; False if it was there. `key`: of the alarm that raised it."""
        with self.change() as database:
            columns = columns_of(alert)
            marks = ", ".join("?" * len(columns))
            done = database.execute(
                f"INSERT OR IGNORE INTO alert ({', '.join(columns)}) VALUES ({marks})", tuple(columns.values())
            )
            if key:
                database.execute("INSERT OR IGNORE INTO alarm VALUES (?, ?, ?)", (key, alert.at, alert.id))
            return done.rowcount == 1

    def alert_by_alarm(self, key: str, at: float) -> str | None:
        """The alert that an alarm belongs to, if it has come before."""
        row = self._database.execute(
            "SELECT alert FROM alarm WHERE key = ? AND abs(at - ?) <= ? ORDER BY at", (key, at, SAME_S)
        ).fetchone()
        return str(row[0]) if row else None

    def join(self, key: str, alert: Alert) -> None:
        """One more alarm of an alert that is there: counts it once, and takes over a higher certainty."""
        with self.change() as database:
            new = database.execute("INSERT OR IGNORE INTO alarm VALUES (?, ?, ?)", (key, alert.at, alert.id)).rowcount
            database.execute(
                "UPDATE alert SET count = count + ?, last = max(last, ?), revision = revision + 1 WHERE id = ?",
                (new, alert.at, alert.id),
            )
        self.raise_certainty(alert)

    def raise_certainty(self, alert: Alert) -> None:
        """Takes over certainty, probability, rule and reasons, if they are now higher than they were."""
        old = self.alert(alert.id)
        if old is not None and alert.rank > old.rank:
            with self.change() as database:
                columns = columns_of(alert)
                named = ("certainty", "probability", "rule", "why")
                changed = ", ".join(f"{name} = ?" for name in named)
                values = [columns[name] for name in named]
                database.execute(
                    f"UPDATE alert SET {changed}, revision = revision + 1 WHERE id = ?", (*values, alert.id)
                )

    def alert(self, id_: str) -> Alert | None:
        found = self._alerts("WHERE id = ?", (id_,))
        return found[0] if found else None

    def alerts(self, since: float = 0.0, *, open_only: bool = False) -> list[Alert]:
        """Alerts raised since then, the newest first."""
        more = " AND acknowledged = 0 AND recovered = 0" if open_only else ""
        return self._alerts(f"WHERE raised >= ?{more} ORDER BY raised DESC, id", (since,))

    def untold(self) -> list[tuple[Alert, str]]:
        """Alerts of which no message tells, or none with their present certainty, with the certainty that was told."""
        rows = self._database.execute(
            "SELECT * FROM alert WHERE told = '' OR (kind = 'wiki_edit' AND told_certainty != certainty) "
            "ORDER BY raised, id"
        )
        return [(alert_of(row), str(row["told_certainty"])) for row in rows]

    def over_untold(self) -> list[Alert]:
        """Alerts that were told and are over, of which no message says so."""
        return self._alerts("WHERE recovered > 0 AND told != '' AND over_told = 0 ORDER BY recovered, id")

    def recover_alert(self, id_: str, now: float) -> None:
        """What the alert tells of is over."""
        with self.change() as database:
            database.execute(
                "UPDATE alert SET recovered = ?, revision = revision + 1 WHERE id = ? AND recovered = 0", (now, id_)
            )

    def acknowledge(self, id_: str, now: float, by: str, note: str) -> bool:
        """Somebody has taken notice; False if there is no such alert. Doing it twice keeps the first."""
        with self.change() as database:
            database.execute(
                "UPDATE alert SET acknowledged = ?, acknowledged_by = ?, note = ?, revision = revision + 1 "
                "WHERE id = ? AND acknowledged = 0",
                (now, by, note, id_),
            )
        return self.alert(id_) is not None

    def _alerts(self, where: str, values: Sequence[object] = ()) -> list[Alert]:
        return [alert_of(row) for row in self._database.execute(f"SELECT * FROM alert {where}", tuple(values))]

    # ---------------------------------------------------------------------------------------------------- messages

    def tell(self, message: Message, channels: Collection[str], day: str, due: float) -> None:
        """Writes a message for these channels, and that its alerts are told, in one step; once for an id."""
        with self.change() as database:
            new = database.execute(
                "INSERT OR IGNORE INTO message VALUES (?, ?, ?, ?, ?, ?, ?)",
                (message.id, message.sort, message.made, message.title, message.body, json.dumps(message.alerts), day),
            ).rowcount
            for channel in channels if new else ():
                database.execute(
                    "INSERT INTO delivery (message, channel, due, changed) VALUES (?, ?, ?, ?)",
                    (message.id, channel, due, message.made),
                )
            for id_ in message.alerts:
                first = "" if message.sort == "recovery" else "told = ?1, told_certainty = certainty, "
                database.execute(f"UPDATE alert SET {first}over_told = recovered > 0 WHERE id = ?2", (message.id, id_))

    def message(self, id_: str) -> Message | None:
        row = self._database.execute("SELECT * FROM message WHERE id = ?", (id_,)).fetchone()
        return message_of(row) if row else None

    def made(self, sort: str, since: float) -> list[float]:
        """When messages of a sort were made."""
        found = self._database.execute("SELECT made FROM message WHERE sort = ? AND made > ?", (sort, since))
        return [float(at) for (at,) in found]

    def deliveries(self, alert: str = "", message: str = "") -> list[Delivery]:
        """Deliveries, the newest message first; of one alert, or of one message."""
        where, values = "1", tuple[str, ...]()
        if message:
            where, values = "d.message = ?", (message,)
        elif alert:
            where = "d.message IN (SELECT m2.id FROM message m2, json_each(m2.alerts) j WHERE j.value = ?)"
            values = (alert,)
        rows = self._database.execute(
            f"SELECT d.* FROM delivery d JOIN message m ON m.id = d.message WHERE {where} "
            "ORDER BY m.made DESC, d.channel",
            values,
        )
        return [delivery_of(row) for row in rows]

    def unsettled(self, since: float) -> list[Delivery]:
        """Deliveries that wait or were given up since then, and the last one of each channel that was sent."""
        rows = self._database.execute(
            "SELECT * FROM delivery WHERE state IN ('pending', 'sending') OR (state = 'failed' AND changed >= ?) "
            "UNION SELECT d.* FROM delivery d JOIN (SELECT channel, max(changed) AS last FROM delivery "
            "WHERE state = 'sent' GROUP BY channel) l ON d.channel = l.channel AND d.changed = l.last "
            "WHERE d.state = 'sent'",
            (since,),
        )
        return [delivery_of(row) for row in rows]

    # -------------------------------------------------------------------------------------------------- deliveries

    def recover(self) -> int:
        """Called once by the process that delivers, before it begins: whatever is `sending` was cut off."""
        with self.change() as database:
            return database.execute(
                "UPDATE delivery SET state = 'pending', possible_duplicate = 1, revision = revision + 1 "
                "WHERE state = 'sending'"
            ).rowcount

    def claim(self, channel: str, now: float, message: str = "") -> tuple[Message, Delivery] | None:
        """The next message that is due on a channel, now `sending`: that is on the disk when this returns."""
        only = " AND m.id = ?" if message else ""
        with self.change() as database:
            row = database.execute(
                "SELECT m.* FROM delivery d JOIN message m ON m.id = d.message "
                f"WHERE d.channel = ? AND d.state = 'pending' AND d.due <= ?{only} "
                "ORDER BY d.due, d.rowid LIMIT 1",
                (channel, now, *([message] if message else [])),
            ).fetchone()
            if row is None:
                return None
            database.execute(
                "UPDATE delivery SET state = 'sending', attempt = attempt + 1, changed = ?, revision = revision + 1 "
                "WHERE message = ? AND channel = ?",
                (now, row["id"], channel),
            )
        found = message_of(row)
        return found, next(one for one in self.deliveries(message=found.id) if one.channel == channel)

    def settle(
        self,
        delivery: Delivery,
        state: str,
        now: float,
        *,
        problem: str = "",
        due: float = 0.0,
        possible_duplicate: bool = False,
    ) -> None:
        """What became of a delivery that is `sending`: sent, failed, or pending until `due`."""
        with self.change() as database:
            database.execute(
                "UPDATE delivery SET state = ?, changed = ?, problem = ?, due = ?, revision = revision + 1, "
                "possible_duplicate = max(possible_duplicate, ?) "
                "WHERE message = ? AND channel = ? AND state = 'sending'",
                (state, now, problem, due, possible_duplicate, delivery.message, delivery.channel),
            )

    def give_up_others(self, channels: Collection[str], now: float) -> int:
        """Gives up what waits for channels that the settings do not have any more."""
        marks = ", ".join("?" * len(channels))
        with self.change() as database:
            return database.execute(
                "UPDATE delivery SET state = 'failed', changed = ?, problem = 'removed', revision = revision + 1 "
                f"WHERE state = 'pending' AND channel NOT IN ({marks})",
                (now, *channels),
            ).rowcount

    def give_up(self, message: str, now: float) -> None:
        """Gives up what waits of a message."""
        with self.change() as database:
            database.execute(
                "UPDATE delivery SET state = 'failed', changed = ?, revision = revision + 1 "
                "WHERE message = ? AND state = 'pending'",
                (now, message),
            )

    # -------------------------------------------------------------------------------------------------- conditions

    def condition(self, subject: str) -> Condition:
        row = self._database.execute("SELECT * FROM condition WHERE subject = ?", (subject,)).fetchone()
        if row is None:
            return Condition()
        return Condition(bool(row["bad"]), int(row["streak"]), float(row["since"]), str(row["alert"]))

    def set_condition(self, subject: str, to: Condition) -> None:
        with self.change() as database:
            database.execute(
                "INSERT OR REPLACE INTO condition VALUES (?, ?, ?, ?, ?)",
                (subject, to.bad, to.streak, to.since, to.alert),
            )

    # -------------------------------------------------------------------------------------------------- age and copies

    def prune(self, before: float, notes_before: float) -> int:
        """Removes what was raised before, and older names and notes of acknowledgements; returns how many alerts."""
        with self.change() as database:
            gone = database.execute("DELETE FROM alert WHERE raised < ?", (before,)).rowcount
            database.execute("DELETE FROM alarm WHERE alert NOT IN (SELECT id FROM alert)")
            database.execute("DELETE FROM message WHERE made < ?", (before,))
            database.execute("DELETE FROM delivery WHERE message NOT IN (SELECT id FROM message)")
            database.execute(
                "UPDATE alert SET note = '', acknowledged_by = '' WHERE acknowledged > 0 AND acknowledged < ?",
                (notes_before,),
            )
        return gone

    def older(self, before: float) -> int:
        """How many alerts and messages were made before."""
        counts = self._database.execute(
            "SELECT (SELECT count(*) FROM alert WHERE raised < ?) + (SELECT count(*) FROM message WHERE made < ?)",
            (before, before),
        )
        return int(counts.fetchone()[0])

    def rows(self, sql: str, values: Sequence[object] = ()) -> list[dict[str, object]]:
        """Rows of a query, for whoever copies them."""
        return [dict(row) for row in self._database.execute(sql, tuple(values))]

    @contextmanager
    def change(self) -> Iterator[sqlite3.Connection]:
        """One transaction; on the disk when it is over."""
        with writing(self._database) as database:
            yield database
