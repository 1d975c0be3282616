"""A small school with its files, and visitors of its pages who have logged in."""

from __future__ import annotations

from pathlib import Path
from time import time

from starlette.applications import Starlette
from starlette.testclient import TestClient

from dashboards import otp
from dashboards.accounts import Accounts
from dashboards.frame import Clock
from dashboards.web import make_app
from deploy.office import SchoolOffice
from pipeline.access import Role
from pipeline.store import Store
from tests.pipeline.schools import HEADERS

COOKIE = "schoolgate-visit"
PASSWORD = "four words are a good one"
SETTINGS = """[school]
id = "ysgol-enghraifft"
name = "Ysgol Enghraifft"
zone = "Europe/London"
mode = "pseudonymous"
notice_date = 2026-09-01
"""
BELLS = """normal,*,P1,lesson,09:00,10:00,*
normal,*,P2,lesson,10:00,11:00,*
normal,*,BRK,break,11:00,11:20,*
"""
STAFF = "".join(f"T{n},t{n},,teacher,1,,,,\n" for n in range(1, 15))
LESSONS = "T1,*,1,P1,lesson,7A,B1,,\n"
ACCESS = (
    "name,role,staff_id,account\nSam Rees,network_manager,T3,\nAnn Bowen,head,T4,\nDewi Prys,dpo,,\n"
    "Mair Lloyd,chair_of_governors,,\n"
)
NAMES = {
    Role.NETWORK_MANAGER: "Sam Rees",
    Role.HEAD: "Ann Bowen",
    Role.DPO: "Dewi Prys",
    Role.CHAIR: "Mair Lloyd",
}


def make_school(folder: Path) -> Path:
    """The school's folder, with tables that can be read."""
    folder.mkdir()
    (folder / "schoolgate.toml").write_text(SETTINGS)
    (folder / "access.csv").write_text(ACCESS)
    tables = {
        "staff": STAFF,
        "bells": BELLS,
        "calendar": "2026-09-01,2026-12-18,term,Autumn\n",
        "timetable": LESSONS,
    }
    for table, rows in tables.items():
        (folder / f"{table}.csv").write_text(HEADERS[table] + "\n" + rows)
    return folder


class Visiting:
    """The pages of a school, and whoever comes to them."""

    def __init__(self, store: Store, folder: Path, scratch: Path, now: Clock) -> None:
        self.accounts = Accounts(scratch / "accounts.sqlite", time, cost=8)
        self.office = SchoolOffice(folder)
        self.app: Starlette = make_app(store, now=now, accounts=self.accounts, office=self.office)

    def word(self, role: Role) -> str:
        """The cookie of somebody of this role who has logged in."""
        login = role.value.replace("_", "-")
        if all(account.login != login for account in self.accounts.all()):
            self.accounts.add(login, NAMES[role], role)
            begun = self.accounts.begin(self.accounts.find(login))
            session = self.accounts.session(begun)
            assert session
            return self.accounts.enrol(begun, PASSWORD, otp.code(session.enrolling, int(time()) // 30))
        return self.accounts.begin(self.accounts.find(login))

    def client(self, role: Role) -> TestClient:
        """A browser without scripts, logged in."""
        return TestClient(
            self.app, base_url="http://127.0.0.1:8350", cookies={COOKIE: self.word(role)}, follow_redirects=True
        )
