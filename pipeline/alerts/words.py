"""The words of alerts, in English and Welsh.

The Welsh has been written without a Welsh speaker: somebody who speaks it should check it before a school uses it.
Sentences that come from the detector and from health checks are English in both.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

Language = Literal["en", "cy"]


@dataclass(frozen=True, slots=True)
class Words:
    """All phrases of a language; `{...}` is filled in."""

    certainty: Mapping[str, str]
    network: Mapping[str, str]
    period_kind: Mapping[str, str]
    months: tuple[str, ...]
    days: tuple[str, ...]
    edit_title: str
    edit: str
    in_period: str
    outside_bells: str
    times: str
    why: str
    sure: str
    sure_confirmed: str
    measured: str
    unmeasured: str
    base: str
    cannot: str
    unknowns: tuple[str, ...]
    shape: str
    pupils: str
    others: str
    temporary: str
    temporary_elsewhere: str
    lists: str
    look_up: str
    no_look_up: str
    sums_only: str
    operational: str
    since: str
    mend: str
    recovered: str
    recovered_body: str
    several_title: str
    several: str
    digest_title: str
    digest: str
    quiet_title: str
    quiet: str
    was_recovered: str
    more: str
    test_title: str
    test: str
    duplicate_title: str
    duplicate: str
    end: str


_EN = Words(
    certainty=MappingProxyType({"possible": "possible", "likely": "likely", "confirmed": "confirmed"}),
    network=MappingProxyType(
        {
            "staff": "the staff network",
            "pupil": "the pupils' network",
            "guest": "the guests' network",
            "unknown": "a network that no setting names",
        }
    ),
    period_kind=MappingProxyType({}),
    months=(
        *("January", "February", "March", "April", "May", "June", "July"),
        *("August", "September", "October", "November", "December"),
    ),
    days=("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    edit_title="{certainty} edit of {wiki}, {clock}, {network}",
    edit="A {certainty} edit of {wiki} was seen at {clock} on {day} ({utc} UTC), {period}, from {network}.",
    in_period="in {period}",
    outside_bells="outside the bells",
    times="{count} edits of one device within minutes are this one alert; the last was at {clock}.",
    why="Why",
    sure="Chance that this alert is wrong: {wrong} (up to {upper}), more where people edit less. It rests on sizes and "
    "times of encrypted traffic: a hint, no proof.",
    sure_confirmed="Chance that this alert is wrong: {wrong}. The wiki is not encrypted, so the sending of an "
    "edit form was read itself; whether the wiki took it is not known.",
    measured="This chance is reckoned from that and from recorded sessions: alerts that were {certainty} found {found} "
    "of all saves, with {false} false alarms in 10,000 page views (at most {upper}, 95 % bound; {views} views, in a "
    "laboratory).",
    unmeasured="How often alerts of this certainty are wrong has not been measured.",
    base="Base rate: about 1 edit in 1,000 page views.",
    cannot="What it cannot know",
    unknowns=(
        "Which page it was and what was written: no content is ever read.",
        "Who it was: this alert has no name, no pseudonym and no address.",
        "Whether it was personal or part of the work; clause 6.11 is about editing in a personal capacity.",
        "Whether the wiki accepted it, or somebody took it back.",
    ),
    shape="Whether it was a save at all: a preview, a log-in or another form of the same size can look the same.",
    pupils="It is the pupils' network: the policy is about staff, and pupils are never looked up.",
    others="It is not the staff network: nobody is looked up there.",
    temporary="Since 4 November 2025 English Wikipedia shows a temporary account, not the school's address, for edits "
    "made without logging in; other Wikimedia wikis do the same. A public list would not show the school.",
    temporary_elsewhere="Since 4 November 2025 English Wikipedia shows a temporary account for edits made without "
    "logging in; this wiki is not one of Wikimedia's and may still show the school's address in public.",
    lists="Do not look for the edit in public lists of changes: the time alone could single out an editor, and whoever "
    "that is need not be anybody here.",
    look_up="Only for a case, with a second person's approval: schoolgate lookup request --alert {id}",
    no_look_up="There is no look-up for this alert.",
    sums_only="There is no look-up for this alert: this school keeps sums only.",
    operational="{title}",
    since="Seen since {clock} on {day} ({utc} UTC).",
    mend="What to do",
    recovered="Over: {title}",
    recovered_body="It is well again since {clock} on {day} ({utc} UTC). It had been raised as alert {id}.",
    several_title="{count} alerts together",
    several="More alerts came than are sent one by one in an hour. They are:",
    digest_title="Digest of {day}: {count} alerts",
    digest="Alerts that did not have to be sent at once:",
    quiet_title="{count} alerts from the quiet hours",
    quiet="Alerts that waited until the quiet hours were over:",
    was_recovered="over since {clock}",
    more="and {count} more: schoolgate alerts list",
    test_title="Test message",
    test="This is a test of the channel {channel}. Nothing has happened. If you can read this, alerts reach you here.",
    duplicate_title="[possible duplicate] ",
    duplicate="Possible duplicate: an earlier attempt to send this was cut off, and may have reached you.",
    end="Alert {id}, {school}. Acknowledge: schoolgate alerts ack {id} --by YOU",
)
_CY = Words(
    certainty=MappingProxyType({"possible": "posibl", "likely": "tebygol", "confirmed": "wedi'i gadarnhau"}),
    network=MappingProxyType(
        {
            "staff": "rhwydwaith y staff",
            "pupil": "rhwydwaith y disgyblion",
            "guest": "rhwydwaith y gwesteion",
            "unknown": "rhwydwaith nad yw'r gosodiadau'n ei enwi",
        }
    ),
    period_kind=MappingProxyType(
        {
            "lesson": "gwers",
            "registration": "cofrestru",
            "break": "egwyl",
            "lunch": "cinio",
            "before": "cyn yr ysgol",
            "after": "ar ôl yr ysgol",
        }
    ),
    months=(
        *("Ionawr", "Chwefror", "Mawrth", "Ebrill", "Mai", "Mehefin", "Gorffennaf"),
        *("Awst", "Medi", "Hydref", "Tachwedd", "Rhagfyr"),
    ),
    days=("Dydd Llun", "Dydd Mawrth", "Dydd Mercher", "Dydd Iau", "Dydd Gwener", "Dydd Sadwrn", "Dydd Sul"),
    edit_title="golygiad {certainty} ar {wiki}, {clock}, {network}",
    edit="Gwelwyd golygiad {certainty} ar {wiki} am {clock}, {day} ({utc} UTC), {period}, o {network}.",
    in_period="yn {period}",
    outside_bells="y tu allan i'r clychau",
    times="Mae {count} golygiad gan un ddyfais o fewn munudau yn un rhybudd; roedd yr olaf am {clock}.",
    why="Pam (yn Saesneg)",
    sure="Y siawns bod y rhybudd hwn yn anghywir: {wrong} (hyd at {upper}), mwy lle mae pobl yn golygu llai. Mae'n "
    "seiliedig ar feintiau ac amserau traffig wedi'i amgryptio: awgrym, nid prawf.",
    sure_confirmed="Y siawns bod y rhybudd hwn yn anghywir: {wrong}. Nid yw'r wici wedi'i amgryptio, felly darllenwyd "
    "anfon y ffurflen olygu ei hun; ni wyddys a dderbyniodd y wici hi.",
    measured="Cyfrifwyd y siawns o hynny ac o sesiynau a recordiwyd: cafodd rhybuddion oedd yn '{certainty}' {found} "
    "o bob golygiad, gyda {false} rhybudd ffug mewn 10,000 o dudalennau a welwyd ({upper} ar y mwyaf, terfyn 95 %; "
    "{views} o dudalennau, mewn labordy).",
    unmeasured="Nid yw wedi'i fesur pa mor aml y mae rhybuddion mor sicr â hyn yn anghywir.",
    base="Cyfradd sylfaenol: tuag 1 golygiad mewn 1,000 o dudalennau a welwyd.",
    cannot="Yr hyn na all ei wybod",
    unknowns=(
        "Pa dudalen oedd hi na beth a ysgrifennwyd: ni ddarllenir cynnwys byth.",
        "Pwy oedd yno: nid oes enw, ffugenw na chyfeiriad yn y rhybudd hwn.",
        "Ai personol oedd hyn neu ran o'r gwaith; mae cymal 6.11 yn ymwneud â golygu'n bersonol.",
        "A dderbyniodd y wici'r golygiad, neu a wnaeth rhywun ei ddad-wneud.",
    ),
    shape="Ai golygiad oedd hwn o gwbl: gall rhagolwg, mewngofnodi neu ffurflen arall o'r un maint edrych yr un fath.",
    pupils="Rhwydwaith y disgyblion ydyw: am staff y mae'r polisi, ac ni chwilir am ddisgyblion byth.",
    others="Nid rhwydwaith y staff ydyw: ni chwilir am neb yno.",
    temporary="Ers 4 Tachwedd 2025 mae Wikipedia Saesneg yn dangos cyfrif dros dro, nid cyfeiriad yr ysgol, ar gyfer "
    "golygiadau heb fewngofnodi; felly hefyd wicïau eraill Wikimedia. Ni fyddai rhestr gyhoeddus yn dangos yr ysgol.",
    temporary_elsewhere="Ers 4 Tachwedd 2025 mae Wikipedia Saesneg yn dangos cyfrif dros dro ar gyfer golygiadau heb "
    "fewngofnodi; nid un o wicïau Wikimedia yw hwn, a gall ddangos cyfeiriad yr ysgol yn gyhoeddus o hyd.",
    lists="Peidiwch â chwilio am y golygiad mewn rhestrau cyhoeddus o newidiadau: gallai'r amser yn unig bwyntio at "
    "olygydd, ac nid oes raid mai rhywun yma ydyw.",
    look_up="Dim ond ar gyfer achos, gyda chymeradwyaeth ail berson: schoolgate lookup request --alert {id}",
    no_look_up="Ni ellir chwilio am neb o'r rhybudd hwn.",
    sums_only="Ni ellir chwilio am neb o'r rhybudd hwn: dim ond cyfansymiau y mae'r ysgol hon yn eu cadw.",
    operational="{title}",
    since="Gwelwyd ers {clock}, {day} ({utc} UTC).",
    mend="Beth i'w wneud",
    recovered="Drosodd: {title}",
    recovered_body="Mae'n iawn eto ers {clock}, {day} ({utc} UTC). Codwyd ef fel rhybudd {id}.",
    several_title="{count} rhybudd gyda'i gilydd",
    several="Daeth mwy o rybuddion nag a anfonir fesul un mewn awr. Dyma nhw:",
    digest_title="Crynodeb {day}: {count} rhybudd",
    digest="Rhybuddion nad oedd angen eu hanfon ar unwaith:",
    quiet_title="{count} rhybudd o'r oriau tawel",
    quiet="Rhybuddion a arhosodd nes i'r oriau tawel ddod i ben:",
    was_recovered="drosodd ers {clock}",
    more="a {count} arall: schoolgate alerts list",
    test_title="Neges brawf",
    test="Prawf o'r sianel {channel} yw hwn. Nid oes dim wedi digwydd. Os gallwch ddarllen hyn, mae rhybuddion yn eich "
    "cyrraedd yma.",
    duplicate_title="[copi posibl] ",
    duplicate="Copi posibl (possible duplicate): torrwyd ymgais gynharach i anfon hyn, ac efallai iddi gyrraedd.",
    end="Rhybudd {id}, {school}. Cydnabod: schoolgate alerts ack {id} --by CHI",
)
WORDS: Mapping[Language, Words] = MappingProxyType({"en": _EN, "cy": _CY})

PROBLEMS: Mapping[str, str] = MappingProxyType(
    {
        "connection": "no connection to it",
        "name": "its name is not known",
        "timeout": "it did not answer in time",
        "login": "it refused the log-in",
        "refused": "it refused the message",
        "certificate": "its certificate is not trusted",
        "url": "its URL cannot be used",
        "unclear": "it is not clear whether it took the message",
        "removed": "the settings do not have it any more",
    }
)
"""What kept a message from going, by the word that is kept."""
