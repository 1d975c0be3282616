"""The sample school with accounts and alerts, and its pages: for tests of what needs a log-in."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from html import unescape
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.testclient import TestClient

from dashboards import otp
from dashboards.accounts import Accounts
from dashboards.settings import PageSettings
from dashboards.web import make_app
from deploy.office import SchoolOffice
from pcaps.sample_school.facts import HERE
from pipeline.access import Role
from pipeline.alerts.alert import Alert, Kind
from pipeline.alerts.database import Message
from pipeline.alerts.outbox import Outbox
from pipeline.jobs import Jobs
from pipeline.store import Store

NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
PASSWORD = "correct horse battery staple"
NAMES = {
    Role.NETWORK_MANAGER: "Sam Rees",
    Role.HEAD: "Ann Bowen",
    Role.DPO: "Dewi Prys",
    Role.CHAIR: "Mair Lloyd",
    Role.STAFF: "Nia Pugh",
    Role.INSTALLER: "Ifan Box",
}
EVIL = "<script>alert(1)</script>"


@dataclass
class Clock:
    """A time that tests set."""

    at: datetime = NOW

    def __call__(self) -> datetime:
        return self.at

    def seconds(self) -> float:
        return self.at.timestamp()


class Schoolhouse:
    """A copy of a school's folder (the sample school's), the accounts of its pages, and the pages themselves."""

    def __init__(
        self,
        store: Store,
        folder: Path,
        settings: PageSettings | None = None,
        source: Path = HERE,
        jobs: Jobs | None = None,
    ) -> None:
        self.folder = folder
        shutil.copytree(source, folder)
        self.clock = Clock()
        self.accounts = Accounts(folder / "accounts.sqlite", self.clock.seconds, cost=8)
        self.office = SchoolOffice(folder, jobs)
        self.app: Starlette = make_app(store, settings, self.clock, accounts=self.accounts, office=self.office)

    def login_of(self, role: Role) -> str:
        """The login of somebody of this role, made when needed; its password is PASSWORD."""
        login = role.value.replace("_", "-")
        if all(account.login != login for account in self.accounts.all()):
            self.accounts.add(login, NAMES[role], role)
            word = self.accounts.begin(self.accounts.find(login))
            self.accounts.enrol(word, PASSWORD, otp.code(self._session_secret(word), self.step - 1))
        return login

    def code(self, role: Role) -> str:
        """The code of that account's app now."""
        sql = "SELECT secret FROM account WHERE login = ?"
        ((secret,),) = self.accounts._database.execute(sql, (self.login_of(role),)).fetchall()
        return otp.code(secret, self.step)

    @property
    def step(self) -> int:
        return int(self.clock.seconds() // otp.STEP_S)

    def word(self, role: Role) -> str:
        """The cookie of somebody of this role who has logged in."""
        return self.accounts.begin(self.accounts.find(self.login_of(role)))

    def client(self, role: Role | None = None, **options: Any) -> TestClient:
        """A browser without scripts; logged in if a role is given."""
        client = TestClient(self.app, base_url="http://127.0.0.1:8350", client=("127.0.0.1", 5000), **options)
        if role:
            client.cookies.set("schoolgate-visit", self.word(role), domain="127.0.0.1")
        return client

    def audit(self) -> list[tuple[str, str, str]]:
        """Action, result and account of each entry of the audit trail."""
        path = self.folder / "audit.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        entries = [json.loads(line) for line in lines]
        return [(one["action"], one["result"], one["who"].get("account", "")) for one in entries]

    def add_alert(self, id_: str = "a1f0c404a8", wiki: str = "en.wikipedia.org") -> Alert:
        """An edit that was seen this morning, told on one channel that works and one that does not."""
        at = datetime(2026, 11, 20, 10, 42, tzinfo=UTC).timestamp()
        alert = Alert(
            id_, Kind.WIKI_EDIT, at, at, "2026-11-20",
            certainty="likely", probability=0.66, wiki=wiki, service="wikipedia", segment="staff", period="3",
            period_kind="lesson", rule="save", why=(f"An upload of about 10 kB, then the page again. {EVIL}",), last=at,
        )  # fmt: skip
        with closing(Outbox(self.folder / "alerts")) as outbox:
            outbox.add(alert, f"key-{id_}")
            message = Message(f"m{id_}", "alert", at, "title", "body", (id_,))
            outbox.tell(message, ["office", "teams"], "2026-11-20", at)
            for channel, state in (("office", "sent"), ("teams", "failed")):
                claimed = outbox.claim(channel, at + 1)
                assert claimed
                outbox.settle(claimed[1], state, at + 2, problem="" if state == "sent" else "certificate")
        return alert

    def _session_secret(self, word: str) -> str:
        session = self.accounts.session(word)
        assert session
        return session.enrolling


def text_of(client: TestClient, path: str) -> str:
    """A page that is there, as it reads."""
    answer = client.get(path)
    assert answer.status_code == 200, answer.text
    return unescape(answer.text)


def token(page: str) -> str:
    """The mark of the form on a page."""
    found = re.search(r'name="form_token" value="(\w+)"', page)
    assert found, page
    return found[1]


def send(client: TestClient, path: str, page: str = "", **fields: object) -> Any:
    """Opens the page that has the form and sends it, following nothing."""
    mark = token(client.get(page or path).text)
    return client.post(path, data={"form_token": mark, **fields}, follow_redirects=False)


Make = Callable[..., Schoolhouse]
