"""Accounts, codes of apps and growing waits, without any page."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboards import otp
from dashboards.accounts import Account, AccountError, Accounts, refuse_weak
from dashboards.attempts import Attempts
from dashboards.doorchecks import DOOR, DoorFacts
from pipeline.access import Person, Role
from sensor.health import Severity, worst
from tests.dashboards.schoolhouse import PASSWORD

RFC = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"  # "12345678901234567890", RFC 6238 appendix B


@pytest.mark.parametrize(
    ("at", "code"),
    [
        (59, "287082"),
        (1111111109, "081804"),
        (1111111111, "050471"),
        (1234567890, "005924"),
        (2000000000, "279037"),
        (20000000000, "353130"),
    ],
)
def test_codes_are_those_of_rfc_6238(at: int, code: str) -> None:
    assert otp.code(RFC, at // 30) == code
    assert otp.step_of(f"{code[:3]} {code[3:]}", RFC, at) == at // 30


def test_a_code_is_good_beside_its_half_minute_and_once() -> None:
    now = 1_000_000_000.0
    step = int(now // 30)
    assert [otp.step_of(otp.code(RFC, step + off), RFC, now) for off in (-2, -1, 0, 1, 2)] == [
        None, step - 1, step, step + 1, None,
    ]  # fmt: skip
    assert otp.step_of(otp.code(RFC, step), RFC, now, after=step) is None


@given(st.text(max_size=40))
def test_whatever_is_typed_as_code_is_answered(text: str) -> None:
    assert otp.step_of(text, RFC, 59.0) in (None, 0, 1, 2)


class Time:
    at = 1_800_000_000.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def accounts(tmp_path: Path, time: Time) -> Accounts:
    return Accounts(tmp_path / "accounts.sqlite", time, cost=8)


def enrolled(accounts: Accounts, time: Time, login: str = "sam") -> str:
    """An account in use; returns the secret of its app."""
    accounts.add(login, "Sam Rees", Role.NETWORK_MANAGER)
    word = accounts.begin(accounts.find(login))
    session = accounts.session(word)
    assert session
    accounts.enrol(word, PASSWORD, otp.code(session.enrolling, int(time.at // 30)))
    time.at += 60
    return session.enrolling


def test_the_file_is_its_owners_alone_and_holds_no_password(accounts: Accounts, time: Time) -> None:
    once = accounts.add("ann", "Ann Bowen", Role.HEAD)
    enrolled(accounts, time)
    word = accounts.begin(accounts.find("sam"))
    assert stat.S_IMODE(accounts.path.stat().st_mode) == 0o600
    accounts.close()
    data = b"".join(path.read_bytes() for path in accounts.path.parent.iterdir())
    assert b"$argon2id$" in data
    assert not any(secret.encode() in data for secret in (once, PASSWORD, word))


def test_a_password_for_once_leads_to_the_first_log_in_and_nowhere_else(accounts: Accounts, time: Time) -> None:
    once = accounts.add("sam", "Sam Rees", Role.NETWORK_MANAGER)
    account = accounts.check("sam", once, "")
    assert account
    assert not account.enrolled
    session = accounts.session(accounts.begin(account))
    assert session
    assert session.enrolling
    time.at += 8 * 86_400
    assert accounts.check("sam", once, "") is None


def test_password_and_code_are_both_needed_and_a_code_works_once(accounts: Accounts, time: Time) -> None:
    secret = enrolled(accounts, time)
    code = otp.code(secret, int(time.at // 30))
    assert accounts.check("sam", PASSWORD, "") is None
    assert accounts.check("sam", "wrong", code) is None
    assert accounts.check("nobody", PASSWORD, code) is None
    assert accounts.check("SAM ", PASSWORD, code)
    assert accounts.check("sam", PASSWORD, code) is None


def test_sessions_end_when_idle_when_old_and_on_log_out(accounts: Accounts, time: Time) -> None:
    enrolled(accounts, time)
    word = accounts.begin(accounts.find("sam"))
    for _ in range(19):
        time.at += 1790
        assert accounts.session(word)
    time.at += 2000
    assert accounts.session(word) is None
    word = accounts.begin(accounts.find("sam"))
    for _ in range(25):
        time.at += 1500
        accounts.session(word)
    assert accounts.session(word) is None
    word = accounts.begin(accounts.find("sam"))
    accounts.end(word)
    assert accounts.session(word) is None


@pytest.mark.parametrize("change", ["role", "reset", "remove"])
def test_what_changes_an_account_ends_its_sessions(accounts: Accounts, time: Time, change: str) -> None:
    enrolled(accounts, time)
    word = accounts.begin(accounts.find("sam"))
    if change == "role":
        accounts.set_role("sam", Role.INSTALLER)
    elif change == "reset":
        accounts.reset("sam")
    else:
        accounts.remove("sam")
    assert accounts.session(word) is None


def test_a_reset_forgets_password_and_app(accounts: Accounts, time: Time) -> None:
    secret = enrolled(accounts, time)
    once = accounts.reset("sam")
    assert accounts.check("sam", PASSWORD, otp.code(secret, int(time.at // 30))) is None
    account = accounts.check("sam", once, "")
    assert account
    assert not account.enrolled


def test_two_processes_share_the_file(accounts: Accounts, time: Time) -> None:
    other = Accounts(accounts.path, time, cost=8)
    other.add("sam", "Sam Rees", Role.HEAD)
    word = accounts.begin(accounts.find("sam"))
    assert other.session(word)
    assert other.mark("form", "x") == accounts.mark("form", "x") != accounts.mark("known", "x")


@pytest.mark.parametrize("login", ["", "A", "a b", "../x", "a" * 41, "-a", "é"])
def test_odd_logins_are_refused(accounts: Accounts, login: str) -> None:
    with pytest.raises(AccountError, match="no login"):
        accounts.add(login, "Sam", Role.HEAD)


@pytest.mark.parametrize(
    "password", ["short", "aaaaaaaaaaaaaaaa", "samsamsamsam", "schoolgatesam1", "x" * 257, "ReesReesRees12"]
)
def test_weak_passwords_are_refused(password: str) -> None:
    with pytest.raises(AccountError):
        refuse_weak(password, "sam", "Sam Rees")
    refuse_weak(PASSWORD, "sam", "Sam Rees")


def test_waits_grow_and_end() -> None:
    attempts, now, waits = Attempts(), 0.0, []
    for _ in range(13):
        waits.append(attempts.wait("sam", "10.0.0.1", False, now))
        now += waits[-1]
        attempts.failed("sam", "10.0.0.1", False, now)
    assert waits == [0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 300]
    assert attempts.wait("sam", "10.0.0.1", False, now + 3601) == 0


def test_nobody_locks_another_out() -> None:
    attempts = Attempts()
    for n in range(500):
        attempts.failed("sam", f"10.0.{n // 250}.{n % 250}", False, 1000.0)
    assert 0 < attempts.wait("sam", "10.9.9.9", False, 1000.0) <= 5
    assert attempts.wait("sam", "10.9.9.9", True, 1000.0) == 0
    assert attempts.wait("ann", "10.9.9.9", False, 1000.0) == 0


def test_an_address_that_tries_many_accounts_waits_and_a_network_of_ipv6_is_one() -> None:
    attempts = Attempts()
    for n in range(40):
        attempts.failed(f"user{n}", f"2001:db8::{n:x}", False, 0.0)
    assert attempts.wait("another", "2001:db8::ffff", False, 0.0) > 0
    assert attempts.wait("another", "2001:db8:1::1", False, 0.0) == 0


def test_memory_of_failures_is_bounded() -> None:
    attempts = Attempts(room=50)
    for n in range(1000):
        attempts.failed(f"u{n}", f"10.1.{n // 250}.{n % 250}", False, 0.0)
    assert len(attempts._counts) <= 50


def test_accounts_of_nobody_and_first_log_ins_that_are_too_late_are_findings() -> None:
    def of(login: str, name: str, role: Role, enrolled: bool = True, until: float = 0.0) -> Account:
        return Account(login, name, role, enrolled, until)

    people = (Person("Sam Rees", Role.NETWORK_MANAGER, "S11"),)
    well = (of("sam", "SAM REES", Role.NETWORK_MANAGER), of("box", "Anybody", Role.INSTALLER))
    assert worst(DOOR.examine(DoorFacts(well, people, 100.0))) is Severity.OK
    assert worst(DOOR.examine(DoorFacts((), people, 100.0))) is Severity.OK
    bad = (of("ann", "Ann Bowen", Role.HEAD), of("sam", "Sam Rees", Role.NETWORK_MANAGER, False, 99.0))
    lost, late = DOOR.examine(DoorFacts(bad, people, 100.0))
    assert (lost.severity, "ann" in lost.sentence, "sam" in lost.sentence) == (Severity.WARN, True, False)
    assert (late.severity, "sam" in late.sentence) == (Severity.WARN, True)
