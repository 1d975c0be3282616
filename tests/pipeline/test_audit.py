"""The audit trail: whatever is done to the file, a check names the first line that is not as it was written."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.audit import KEEP_DAYS, Anchor, AuditError, AuditTrail, unlike

WHO = {"account": "root", "role": "head", "name": "Ann"}
ROOT = Path(__file__).parents[2]


def filled(path: Path, entries: int = 6, now: Callable[[], float] = lambda: 1_800_000_000.0) -> AuditTrail:
    trail = AuditTrail(path, now)
    for n in range(entries):
        trail.add("episodes.read", WHO, subjects=[f"T{n:02}"], details={"case": f"2026/{n}", "text": "Llŷn\n\u2028x"})
    return trail


def test_entries_are_read_as_they_were_written(tmp_path: Path) -> None:
    trail = filled(tmp_path / "new" / "audit.jsonl")
    verdict = trail.verify()
    assert verdict.intact
    assert [entry.n for entry in verdict.entries] == [1, 2, 3, 4, 5, 6]
    assert verdict.entries[2].subjects == ("T02",)
    assert verdict.entries[2].who == WHO
    assert verdict.entries[2].details["text"] == "Llŷn\n\u2028x"
    assert stat.S_IMODE(trail.path.stat().st_mode) == 0o600
    assert len(trail.path.read_bytes().splitlines()) == 6


def test_a_trail_that_was_never_begun_is_intact(tmp_path: Path) -> None:
    assert AuditTrail(tmp_path / "audit.jsonl").verify().intact
    assert not list(tmp_path.iterdir())


def change(line: bytes) -> bytes:
    return line.replace(b"T02", b"T09")


def rehash(line: bytes) -> bytes:
    """A change by somebody who knows how the hash is made."""
    from pipeline.chain import End, make_line, parse

    entry = parse(change(line))
    assert entry is not None
    end = End(entry.n - 1, entry.before)
    made = make_line(end, entry.at, entry.action, entry.result, entry.who, entry.subjects, entry.details)
    return made.rstrip(b"\n")


@pytest.mark.parametrize(
    ("tamper", "line"),
    [
        (lambda lines: [*lines[:2], change(lines[2]), *lines[3:]], 3),
        (lambda lines: [*lines[:2], rehash(lines[2]), *lines[3:]], 4),
        (lambda lines: [*lines[:5], rehash(lines[5].replace(b"T05", b"T02"))], 6),
        (lambda lines: lines[:2] + lines[3:], 3),
        (lambda lines: lines[1:], 1),
        (lambda lines: lines[:-1], 6),
        (lambda lines: lines[:3], 4),
        (lambda lines: [lines[1], lines[0], *lines[2:]], 1),
        (lambda lines: [*lines[:3], lines[2], *lines[3:]], 4),
        (lambda lines: [*lines[:3], b"", *lines[3:]], 4),
        (lambda lines: [*lines[:3], b"rubbish", *lines[3:]], 4),
        (lambda lines: [*lines[:3], lines[3][:40], *lines[4:]], 4),
        (lambda lines: [*lines[:5], lines[5][:40]], 6),
        (lambda lines: [lines[0].replace(b'{"action', b'{"x":1,"action'), *lines[1:]], 1),
        (lambda lines: [], 1),
    ],
)
def test_what_is_done_to_a_line_is_found_at_that_line(
    tmp_path: Path, tamper: Callable[[list[bytes]], list[bytes]], line: int
) -> None:
    trail = filled(tmp_path / "audit.jsonl")
    lines = tamper(trail.path.read_bytes().splitlines())
    trail.path.write_bytes(b"".join(one + b"\n" for one in lines))
    verdict = trail.verify()
    assert verdict.broken is not None
    assert verdict.broken[0] == line, verdict.broken
    with pytest.raises(AuditError, match=rf"audit\.jsonl:{line}: "):
        trail.entries()
    trail.add("audit.verified", WHO)
    assert trail.verify().broken is not None, "the next entry hides it"


@settings(max_examples=60)
@given(st.data())
def test_no_changed_byte_goes_unnoticed(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    trail = filled(tmp_path_factory.mktemp("a") / "audit.jsonl", 3)
    content = bytearray(trail.path.read_bytes())
    at = data.draw(st.integers(0, len(content) - 2))
    content[at] ^= data.draw(st.integers(1, 255))
    trail.path.write_bytes(content)
    assert not trail.verify().intact


def test_a_file_that_is_gone_is_missed(tmp_path: Path) -> None:
    trail = filled(tmp_path / "audit.jsonl")
    trail.path.unlink()
    assert trail.verify().broken is not None
    trail.add("audit.verified", WHO)
    assert trail.verify().broken is not None


def test_a_missing_head_is_noticed(tmp_path: Path) -> None:
    trail = filled(tmp_path / "audit.jsonl")
    (tmp_path / "audit.jsonl.head").unlink()
    assert trail.verify().broken is not None


@pytest.mark.parametrize("cut", [1, 2, 40, -1, -2])
def test_a_line_torn_by_a_power_cut_is_reported_mended_and_never_hidden(tmp_path: Path, cut: int) -> None:
    """The line was not whole on the disk, so nothing was noted beside it yet."""
    trail = filled(tmp_path / "audit.jsonl", 3)
    head = (tmp_path / "audit.jsonl.head").read_bytes()
    before = trail.path.stat().st_size
    trail.add("episodes.read", WHO)
    data = trail.path.read_bytes()
    torn = data[before:][:cut]
    trail.path.write_bytes(data[:before] + torn)
    (tmp_path / "audit.jsonl.head").write_bytes(head)
    verdict = trail.verify()
    if torn == data[before:-1]:
        assert verdict.intact, "the entry is whole, only the end of the line is missing"
        assert len(verdict.entries) == 4
    else:
        assert not verdict.intact
        assert (verdict.broken, verdict.torn, verdict.unmended) == (None, (4,), True)
    trail.add("episodes.read", WHO)
    verdict = trail.verify()
    assert verdict.intact
    assert torn in trail.path.read_bytes()
    assert verdict.torn == (() if torn == data[before:-1] else (4,))
    assert [entry.n for entry in verdict.entries] == [1, 2, 3, 4, 5]


def test_torn_again_while_it_is_mended(tmp_path: Path) -> None:
    trail = filled(tmp_path / "audit.jsonl", 3)
    with trail.path.open("ab") as file:
        file.write(b'{"action":"x\n{"acti\0\0\0')
    assert trail.verify().torn == (4, 5)
    trail.add("episodes.read", WHO)
    assert trail.verify().intact
    assert trail.verify().torn == (4, 5)


def test_bytes_of_a_mended_line_cannot_be_changed(tmp_path: Path) -> None:
    trail = filled(tmp_path / "audit.jsonl", 3)
    with trail.path.open("ab") as file:
        file.write(b'{"action":"x')
    trail.add("episodes.read", WHO)
    trail.path.write_bytes(trail.path.read_bytes().replace(b'"x\n', b'"y\n'))
    assert trail.verify().broken == (4, "it is no entry of the trail")


def test_several_processes_write_one_chain(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from pipeline.audit import AuditTrail\n"
        "for n in range(25): AuditTrail(Path(sys.argv[1])).add('a', {}, details={'n': n})"
    )
    path = tmp_path / "audit.jsonl"
    running = [subprocess.Popen([sys.executable, "-c", code, str(path)], cwd=ROOT) for _ in range(3)]
    assert [process.wait(120) for process in running] == [0, 0, 0]
    verdict = AuditTrail(path).verify()
    assert verdict.intact
    assert len(verdict.entries) == 75


def test_entries_leave_by_age_and_the_trail_says_so(tmp_path: Path) -> None:
    clock = [1_700_000_000.0]
    trail = filled(tmp_path / "audit.jsonl", 4, lambda: clock[0])
    clock[0] += (KEEP_DAYS - 1) * 86_400
    trail.add("episodes.read", WHO)
    assert trail.prune() == 0
    assert trail.prune(keep_days=1) == 0, "no setting shortens 24 months"
    clock[0] += 2 * 86_400
    assert trail.prune() == 4
    verdict = trail.verify()
    assert verdict.intact
    assert [(entry.n, entry.action) for entry in verdict.entries] == [(5, "episodes.read"), (6, "audit.pruned")]
    assert trail.prune() == 0
    clock[0] += (KEEP_DAYS + 1) * 86_400
    assert trail.prune() == 2
    assert trail.verify().intact
    assert [entry.action for entry in trail.entries()] == ["audit.pruned"]


def test_lines_removed_by_hand_are_no_pruning(tmp_path: Path) -> None:
    clock = [1_700_000_000.0]
    trail = filled(tmp_path / "audit.jsonl", 4, lambda: clock[0])
    clock[0] += KEEP_DAYS * 86_400 + 1
    trail.prune()
    lines = trail.path.read_bytes().splitlines(keepends=True)
    base = json.loads(lines[0])
    assert base["base"]["entries"] == 4
    trail.path.write_bytes(b"".join(lines[1:]))
    assert trail.verify().broken is not None
    base["base"]["through"] = 5
    trail.path.write_bytes(json.dumps(base).encode() + b"\n")
    assert trail.verify().broken is not None


@pytest.mark.parametrize("mode", [0o640, 0o604])
def test_a_trail_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    trail = filled(tmp_path / "audit.jsonl")
    trail.path.chmod(mode)
    with pytest.raises(AuditError, match="chmod 600"):
        trail.add("episodes.read", WHO)


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    os.symlink(tmp_path / "elsewhere", tmp_path / "audit.jsonl")
    with pytest.raises(AuditError, match="cannot be written"):
        AuditTrail(tmp_path / "audit.jsonl").add("episodes.read", WHO)
    assert not (tmp_path / "elsewhere").exists()


NOW = 1_800_000_000.0


def cut_the_end(trail: AuditTrail) -> None:
    lines = trail.path.read_bytes().splitlines(keepends=True)
    trail.path.write_bytes(b"".join(lines[:3]))
    digest = json.loads(lines[2])["hash"]
    trail.path.with_name("audit.jsonl.head").write_text(f"3 {digest}\n")


def cut_the_beginning(trail: AuditTrail) -> None:
    """As if two years had gone by: the trail removes its own beginning and says so."""
    later = AuditTrail(trail.path, lambda: NOW + (KEEP_DAYS + 1) * 86_400)
    assert later.prune() == 6


def replace_it(trail: AuditTrail) -> None:
    """Another trail, whole in itself, as long as the old one."""
    remove_it(trail)
    other = AuditTrail(trail.path, lambda: NOW)
    for n in range(6):
        other.add("episodes.read", WHO, subjects=[f"T{n + 1:02}"])


def swap_two(trail: AuditTrail) -> None:
    """Two entries exchanged, and every hash made anew."""
    entries = list(trail.entries())
    entries[1], entries[2] = entries[2], entries[1]
    remove_it(trail)
    for entry in entries:
        AuditTrail(trail.path, lambda: NOW).add(entry.action, entry.who, subjects=entry.subjects, details=entry.details)


def remove_it(trail: AuditTrail) -> None:
    trail.path.unlink()
    trail.path.with_name("audit.jsonl.head").unlink()


@pytest.mark.parametrize(
    ("tamper", "why"),
    [
        (cut_the_end, "noted entry 5 .* ends after 3: its end was cut off"),
        (cut_the_beginning, "noted entry 2 .* begins after it with 7: its beginning was cut off"),
        (replace_it, "noted entry 2 .* another one now: the trail was replaced"),
        (swap_two, "noted entry 2 .* another one now: the trail was replaced"),
        (remove_it, "noted entry 2 .* ends after 0: its end was cut off, or it was replaced"),
    ],
)
def test_who_writes_the_whole_trail_anew_is_betrayed_by_what_the_store_noted(
    tmp_path: Path, tamper: Callable[[AuditTrail], None], why: str
) -> None:
    trail = filled(tmp_path / "audit.jsonl")
    anchors = [Anchor(n, trail.entries()[n - 1].hash, int(NOW) + n) for n in (2, 5)]
    assert unlike(trail.verify(), anchors, NOW) == ""
    tamper(trail)
    verdict = trail.verify()
    assert verdict.broken is None, "by itself the trail looks whole"
    assert re.search(why, unlike(verdict, anchors, NOW))


def test_what_left_by_age_is_not_missed(tmp_path: Path) -> None:
    trail = filled(tmp_path / "audit.jsonl")
    anchors = [Anchor(n, trail.entries()[n - 1].hash, int(NOW) + n) for n in (2, 5)]
    cut_the_beginning(trail)
    assert unlike(trail.verify(), anchors, NOW + (KEEP_DAYS + 1) * 86_400) == ""
