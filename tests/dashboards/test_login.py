"""Log-in over HTTP: who gets in, what is refused, what is written down, and attacks on it."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

import pytest

from dashboards import otp
from dashboards.needs import ROLES, Need
from dashboards.settings import PageSettings
from pipeline.access import Role
from tests.dashboards.sample_store import DAY
from tests.dashboards.schoolhouse import NAMES, PASSWORD, Schoolhouse, send, token

COOKIE = "schoolgate-visit"
MakeHouse = Callable[[PageSettings], Schoolhouse]


def log_in(house: Schoolhouse, role: Role = Role.NETWORK_MANAGER, **fields: str) -> tuple[object, object]:
    """A log-in by the form; returns the client and the answer."""
    client = house.client()
    wanted = {"login": house.login_of(role), "password": PASSWORD, "code": house.code(role), **fields}
    return client, send(client, "/login", **wanted)


def test_without_an_account_sums_are_open_on_this_machine_and_nothing_else(house: Schoolhouse) -> None:
    client = house.client()
    assert [client.get(path).status_code for path in ("/", "/reports", "/health", "/edits", "/notice", "/method")] == [
        200
    ] * 6
    for path in ("/sites", "/settings", "/sites/OS1"):
        assert client.get(path, follow_redirects=False).headers["location"].startswith("/login?to=")
    assert "schoolgate account add" in client.get("/login").text


@pytest.mark.parametrize("headers", [{"x-forwarded-for": "10.0.0.9"}, {"via": "1.1 proxy"}, {"forwarded": "for=1"}])
def test_what_came_by_way_of_a_proxy_is_not_on_this_machine(house: Schoolhouse, headers: dict[str, str]) -> None:
    answer = house.client().get("/", headers=headers, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/login?to=%2F")


def test_the_first_account_closes_the_pages_at_once(house: Schoolhouse) -> None:
    client = house.client()
    assert client.get("/").status_code == 200
    house.accounts.add("sam", "Sam Rees", Role.NETWORK_MANAGER)
    answer = client.get("/?day=2026-11-17", follow_redirects=False)
    assert answer.headers["location"] == "/login?to=%2F%3Fday%3D2026-11-17"
    assert client.get("/day.json").status_code == 403
    assert client.get("/notice").status_code == 200


def test_the_first_log_in_chooses_a_password_and_connects_an_app(house: Schoolhouse) -> None:
    client, once = house.client(), house.accounts.add("sam", "Sam Rees", Role.NETWORK_MANAGER)
    answer = send(client, "/login", login="sam", password=once, code="")
    assert answer.headers["location"] == "/login/first"
    assert client.get("/", follow_redirects=False).status_code == 303  # it opens nothing else yet
    page = client.get("/login/first").text
    found = re.search(r'id="secret">([^<]+)<', page)
    assert found
    secret = found[1].replace(" ", "")
    assert f"otpauth://totp/Schoolgate:sam?secret={secret}" in page
    code = otp.code(secret, house.step)
    for fields, words in (
        ({"password": "tooshort", "again": "tooshort", "code": code}, "12 to 256 characters"),
        ({"password": PASSWORD, "again": PASSWORD + "x", "code": code}, "two passwords differ"),
        ({"password": PASSWORD, "again": PASSWORD, "code": "000000"}, "the code does not fit"),
    ):
        wrong = send(client, "/login/first", **fields)
        assert (wrong.status_code, words in wrong.text) == (422, True)
    done = send(client, "/login/first", password=PASSWORD, again=PASSWORD, code=code)
    assert done.headers["location"] == "/"
    assert "Sam Rees" in client.get("/").text
    assert house.audit() == [("account.login", "done", "sam"), ("account.enrolled", "done", "sam")]
    assert house.accounts.check("sam", once, "") is None


def test_log_in_goes_on_to_where_somebody_wanted_to_go(house: Schoolhouse) -> None:
    _, answer = log_in(house, to="/edits?days=7")
    assert answer.headers["location"] == "/edits?days=7"


@pytest.mark.parametrize(
    "to", ["//evil.example", "/\\evil.example", "https://evil.example", "/a\r\nSet-Cookie: x=1", ""]
)
def test_log_in_leads_to_no_other_site(house: Schoolhouse, to: str) -> None:
    _, answer = log_in(house, to=to)
    assert answer.headers["location"] == "/"


def test_what_does_not_fit_is_one_answer_and_in_the_trail(house: Schoolhouse) -> None:
    pages = []
    for fields in (
        {"password": "wrong"},
        {"code": "123456"},
        {"login": "nobody"},
        {"login": "my password typed here", "password": "x"},
    ):
        _, answer = log_in(house, **fields)
        assert answer.status_code == 403
        pages.append(re.search(r'role="alert">([^<]+)<', answer.text)[1])
        house.clock.at += timedelta(minutes=10)
    assert len(set(pages)) == 1
    assert house.audit() == [
        ("account.login", "refused", "network-manager"),
        ("account.login", "refused", "network-manager"),
        ("account.login", "refused", ""),
        ("account.login", "refused", ""),
    ]
    assert "typed here" not in (house.folder / "audit.jsonl").read_text()


def test_an_unknown_account_costs_the_same_work(house: Schoolhouse, monkeypatch: pytest.MonkeyPatch) -> None:
    house.login_of(Role.HEAD)
    worked: list[str] = []
    verify = house.accounts._verify
    monkeypatch.setattr(house.accounts, "_verify", lambda hashed, given: worked.append(hashed) or verify(hashed, given))
    for login in ("head", "nobody"):
        log_in(house, Role.HEAD, login=login, password="wrong")
        house.clock.at += timedelta(minutes=10)
    parameters = {hashed.rsplit("$", 2)[0] for hashed in worked}
    assert (len(worked), len(parameters)) == (2, 1)


def test_waits_grow_and_even_the_right_password_waits(house: Schoolhouse) -> None:
    for _ in range(3):
        assert log_in(house, password="wrong")[1].status_code == 403
    _, answer = log_in(house)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")
    assert len(house.audit()) == 3  # what is not looked at is not written down either
    house.clock.at += timedelta(seconds=1)
    assert log_in(house)[1].status_code == 303


def test_others_failures_do_not_keep_out_a_browser_that_was_in_before(house: Schoolhouse) -> None:
    client, answer = log_in(house)
    assert answer.status_code == 303
    client.cookies.delete(COOKIE)
    house.clock.at += timedelta(minutes=1)
    for _ in range(30):
        log_in(house, password="wrong")
    assert log_in(house)[1].status_code == 429
    wanted = {"login": "network-manager", "password": PASSWORD, "code": house.code(Role.NETWORK_MANAGER)}
    assert send(client, "/login", **wanted).status_code == 303


def test_the_cookie_is_made_anew_at_log_in_and_nobody_elses_word_is_taken(house: Schoolhouse) -> None:
    house.login_of(Role.HEAD)
    client = house.client()
    client.cookies.set(COOKIE, "chosen-by-somebody-else", domain="127.0.0.1")
    answer = send(client, "/login", login="head", password=PASSWORD, code=house.code(Role.HEAD))
    word = answer.cookies[COOKIE]
    assert word != "chosen-by-somebody-else"
    assert house.accounts.session("chosen-by-somebody-else") is None
    header = answer.headers.get_list("set-cookie")[0].lower()
    assert "httponly" in header
    assert "samesite=strict" in header


def test_log_out_ends_the_session_on_the_server(house: Schoolhouse) -> None:
    client = house.client(Role.HEAD)
    word = client.cookies[COOKIE]
    assert send(client, "/logout", "/").headers["location"] == "/login"
    assert house.accounts.session(word) is None
    assert house.audit()[-1] == ("account.logout", "done", "head")


def test_a_form_of_another_site_is_refused(house: Schoolhouse) -> None:
    client = house.client(Role.NETWORK_MANAGER)
    mark = token(client.get("/").text)
    other = house.client(Role.HEAD)
    theirs = token(other.get("/").text)
    tries = [
        ({}, {}),
        ({"form_token": ""}, {}),
        ({"form_token": "é" * 64}, {}),
        ({"form_token": theirs}, {}),
        ({"form_token": mark}, {"origin": "https://evil.example"}),
        ({"form_token": mark}, {"sec-fetch-site": "cross-site"}),
        ({"form_token": mark}, {"sec-fetch-site": "same-site"}),
        ({"form_token": mark}, {"content-type": "text/plain"}),
    ]
    for fields, headers in tries:
        answer = client.post("/logout", data=fields, headers=headers, follow_redirects=False)
        assert answer.status_code in (403, 415), (fields, headers)
    assert house.accounts.session(client.cookies[COOKIE])
    assert client.get("/logout").status_code == 405


@pytest.mark.parametrize("role", [*NAMES])
def test_each_role_sees_its_pages_and_no_others(house: Schoolhouse, role: Role) -> None:
    client = house.client(role)
    paths = {f"/?day={DAY}": Need.MINUTES, "/week": Need.MINUTES, "/services": Need.MINUTES, "/reports": Need.REPORTS}
    paths |= {"/health": Need.HEALTH, "/sites": Need.SITES, "/sites/new": Need.REGISTER, "/edits": Need.EDITS}
    paths |= {"/settings": Need.SETTINGS, "/notice": Need.NOTHING, "/mine": Need.OWN_DATA}
    paths |= {f"/why?day={DAY}": Need.MINUTES, "/day.json": Need.MINUTES}
    for path, need in paths.items():
        assert client.get(path).status_code == (200 if role in ROLES[need] else 403), path
    shown = re.findall(r'<nav aria-label="Main">.*?</nav>', client.get("/notice").text, re.S)[0]
    assert {path for path in paths if f'href="{path}"' in shown} <= {
        p for p, need in paths.items() if role in ROLES[need]
    }
    refused = [entry for entry in house.audit() if entry[0] == "page.refused"]
    assert len(refused) == sum(role not in ROLES[need] for need in paths.values())


def test_who_may_not_see_minutes_is_led_to_what_there_is(house: Schoolhouse) -> None:
    assert house.client(Role.HEAD).get("/").url.path == "/reports"
    assert house.client(Role.INSTALLER).get("/").url.path == "/health"
    assert house.client(Role.NETWORK_MANAGER).get("/").url.path == "/"
    assert "page.refused" not in [action for action, _, _ in house.audit()]


def test_looks_at_what_is_not_a_sum_are_in_the_trail(house: Schoolhouse) -> None:
    client = house.client(Role.DPO)
    for path in ("/", "/reports", "/health", "/settings", "/sites", "/sites/OS1"):
        client.get(path)
    assert [action for action, _, _ in house.audit()] == ["settings.seen", "sites.seen", "sites.seen"]


def test_huge_and_odd_forms_are_refused(house: Schoolhouse) -> None:
    client = house.client(Role.HEAD)
    mark = token(client.get("/").text)
    kind = {"content-type": "application/x-www-form-urlencoded"}
    assert client.post("/logout", content=b"a" * 70_000, headers=kind).status_code == 413
    assert client.post("/logout", content=(b"a" for _ in range(70_000)), headers=kind).status_code == 413
    assert client.post("/logout", content="&".join(["a=1"] * 600), headers=kind).status_code == 400
    assert client.post("/logout", content=b"\xff\xfe", headers=kind).status_code == 400
    assert client.post("/logout", data={"form_token": mark, "a": "%zz"}, follow_redirects=False).status_code == 303
    odd = {"content-type": "multipart/form-data; boundary=x"}
    assert client.post("/logout", content=b"--x\r\nbroken", headers=odd).status_code in (400, 403)
    assert (
        client.post(
            "/logout", content=b"--x\r\n: \r\n\r\n", headers={"content-type": "multipart/form-data"}
        ).status_code
        == 400
    )


def test_behind_a_proxy_only_its_word_counts(make_house: MakeHouse) -> None:
    house = make_house(PageSettings(proxies=("127.0.0.1",), names=("monitor.school.example",)))
    house.login_of(Role.HEAD)
    client = house.client()
    via = {"host": "monitor.school.example", "x-forwarded-proto": "https", "x-forwarded-for": "6.6.6.6, 10.0.0.7"}
    answer = client.get("/login", headers=via)
    assert answer.status_code == 200
    assert answer.headers["strict-transport-security"]
    cookie = answer.headers["set-cookie"].lower()
    assert cookie.startswith("__host-schoolgate-visit=")
    assert "secure" in cookie
    assert client.get("/login", headers={**via, "x-forwarded-proto": "http"}).status_code == 403
    assert client.get("/login", headers={**via, "x-forwarded-for": "<b>"}).status_code == 403
    assert client.get("/login", headers={**via, "host": "evil.example"}).status_code == 421
    mark, visit = token(answer.text), answer.cookies["__Host-schoolgate-visit"]
    fields = {"form_token": mark, "login": "head", "password": "wrong", "code": ""}
    client.post("/login", data=fields, headers={**via, "cookie": f"__Host-schoolgate-visit={visit}"})
    assert '"from":"10.0.0.7"' in (house.folder / "audit.jsonl").read_text()


def test_who_is_no_proxy_is_not_believed(make_house: MakeHouse) -> None:
    house = make_house(PageSettings(host="10.0.0.5", proxies=("10.0.0.2",), names=("monitor.school.example",)))
    house.login_of(Role.HEAD)
    client = house.client()
    via = {"host": "monitor.school.example", "x-forwarded-proto": "https", "x-forwarded-for": "127.0.0.1"}
    assert client.get("/login", headers=via).status_code == 403


@pytest.mark.parametrize(
    "path", ["//evil.example/", "/%2F%2Fevil.example", "/..%2f..%2fetc%2fpasswd", "/static/../../x"]
)
def test_odd_paths_lead_nowhere_else(house: Schoolhouse, path: str) -> None:
    answer = house.client().get(path + "?language=cy", follow_redirects=False)
    location = answer.headers.get("location", "/")
    assert location.startswith("/")
    assert not location.startswith(("//", "/\\"))
    assert "root:" not in answer.text


def test_language_and_theme_are_remembered_and_lead_to_the_same_page(house: Schoolhouse) -> None:
    client = house.client()
    answer = client.get("/?day=2026-11-17&language=cy", follow_redirects=False)
    assert answer.headers["location"] == "/?day=2026-11-17"
    page = client.get("/?day=2026-11-17").text
    assert '<html lang="cy"' in page
    assert "Heddiw" in page
    assert 'data-theme="dark"' in client.get("/?theme=dark").text
    assert client.get("/?theme=%0d%0aSet-Cookie:x&language=xx").status_code == 200
    other = house.client()
    assert '<html lang="cy"' in other.get("/method", headers={"accept-language": "cy-GB,en;q=0.5"}).text
