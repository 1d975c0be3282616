"""The mail of an issue of a report, with its pages as PDF, and one attempt to hand it over.

What keeps a page from paper keeps no mail from going, and a fault of ours is no reason to believe that nothing left.
When something is sent, to whom and how often, is decided in deploy.reporting.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from email.message import EmailMessage
from typing import TYPE_CHECKING

import click

from dashboards.mail import Attachment, file_name, hand_over, letter
from dashboards.pdf import pdf_of
from pipeline.alerts.answers import Answer, Result

if TYPE_CHECKING:
    from dashboards.language import Language
    from dashboards.settings import ReportSettings
    from pipeline.issued import Delivery, Issue


def letter_of(
    settings: ReportSettings, school: str, to: Sequence[str], delivery: Delivery, issue: Issue | None
) -> EmailMessage | Result:
    """The mail of a delivery, or why there is none."""
    if issue is None:
        return Result(Answer.REFUSED, "gone")
    if not to or not settings.host:
        return Result(Answer.REFUSED, "unset")
    id_ = f"{school}.{issue.period.replace('/', '.')}.{issue.issue}"
    return letter(settings, to, issue.mails, attachments(issue), id_, bool(delivery.possible_duplicate))


def attachments(issue: Issue) -> Iterator[Attachment]:
    """The page of an issue in each language as PDF; as HTML where none can be made, so that the mail goes all the
    same."""
    for code, page in issue.pages.items():
        lang: Language = "cy" if code == "cy" else "en"
        try:
            yield Attachment(file_name(issue.period, issue.issue, lang, "pdf"), "application/pdf", pdf_of(page))
        except Exception as error:  # the mail goes, whatever keeps a page from paper
            click.echo(f"schoolgate: {error}; the page goes as HTML", err=True)
            yield Attachment(file_name(issue.period, issue.issue, lang, "html"), "text/html", page.encode())


def handed_over(settings: ReportSettings, mail: EmailMessage) -> Result:
    """One attempt."""
    try:
        return hand_over(settings, mail)
    except Exception as error:
        click.echo(f"schoolgate: the report: {type(error).__name__}: {error}", err=True)
        return Result(Answer.UNCLEAR, "unclear")
