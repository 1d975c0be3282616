"""The mail of a report: one subject line whatever the school is called, and settings that refuse what is no address."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from dashboards.mail import Attachment, file_name, letter
from dashboards.settings import ReportSettings, is_address
from tests.deploy.posting import parts


@given(st.text(), st.booleans())
def test_any_subject_is_one_line(subject: str, duplicate: bool) -> None:
    subject = subject.encode("utf-8", "ignore").decode()
    settings = ReportSettings(languages=("en",))
    mail = letter(
        settings, ["head@school.example"], {"subject": subject, "text": "t", "html": "<p>h"}, [], "x", duplicate
    )
    assert "\n" not in mail["Subject"]
    assert mail.as_bytes()
    assert mail["Subject"].startswith("[possible duplicate]") or not duplicate


def test_a_mail_is_text_html_and_files() -> None:
    file = Attachment(file_name("2026-W47", 2, "cy", "pdf"), "application/pdf", b"%PDF-")
    settings = ReportSettings(sender="gate@school.example")
    mail = letter(
        settings, ["a@b.example", "c@d.example"], {"subject": "s", "text": "ŵ", "html": "<p>ŵ"}, [file], "x", False
    )
    assert (mail["From"], mail["To"]) == ("Schoolgate <gate@school.example>", "a@b.example, c@d.example")
    found = parts(mail)
    assert found["text/plain"] == ["ŵ\n".encode()]
    assert b'lang="en"' in found["text/html"][0]
    assert found["application/pdf"] == [b"%PDF-"]
    assert [part.get_filename() for part in mail.iter_attachments()] == ["social-media-2026-W47-v2-cy.pdf"]


@pytest.mark.parametrize(
    "text",
    [
        "head",
        "head@",
        "@b.example",
        "a b@c.example",
        "a@b.example\nBcc: x@y.example",
        "<a@b.example>",
        "pennaeth-ŵ@b.example",
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    assert not is_address(text)
    with pytest.raises(ValidationError):
        ReportSettings(to=(text,))


@pytest.mark.parametrize("text", ["Friday 17:00", "fri 17:00", "Fri 24:00", "Fri 17", ""])
def test_what_is_no_time_of_the_week_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        ReportSettings(at=text)
