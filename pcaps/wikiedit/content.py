"""Articles for the wiki: several hundred of generated words, of the sizes that an encyclopaedia has, all from one seed.

Words follow Zipf's law, so that pages compress about as prose does. Sizes are log-normal (median 10 kB, some 500 B, a
few over 100 kB). There are links between articles, sections, references, boxes and pictures, but no templates of real
complexity.
"""

from __future__ import annotations

import math
import random
from pathlib import Path
from xml.sax.saxutils import escape

ARTICLES, TALKS, PICTURES = 420, 120, 160
_SYLLABLES = [*(a + b for a in "cdfghlmnprstv" for b in "aeio"), "an", "ar", "el", "en", "er", "or", "un", "wen", "yn"]


class Writer:
    """Writes text with one stream of chance."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self._words = ["".join(rng.choices(_SYLLABLES, k=rng.choice((1, 2, 2, 3, 3, 4)))) for _ in range(6000)]
        self._weights = [1 / (n + 3) for n in range(len(self._words))]

    def words(self, count: int) -> list[str]:
        """So many words."""
        return self.rng.choices(self._words, self._weights, k=count)

    def sentence(self) -> str:
        """One sentence."""
        return " ".join(self.words(self.rng.randint(5, 24))).capitalize() + ". "

    def text(self, size: int) -> str:
        """Sentences of about so many bytes."""
        parts: list[str] = []
        while sum(map(len, parts)) < size:
            parts.append(self.sentence())
        return "".join(parts)

    def article(self, size: int, titles: list[str]) -> str:
        """The wikitext of an article of about so many bytes."""
        box = "".join(f"| {w} || {' '.join(self.words(3))}\n|-\n" for w in self.words(6))
        parts = [f"{{|\n{box}|}}\n"] if size > 3000 else []
        done = len(parts[0]) if parts else 0
        while done < size:
            paragraph = ""
            if done > 800 and self.rng.random() < 0.45:
                paragraph += f"\n== {' '.join(self.words(self.rng.randint(1, 4))).capitalize()} ==\n"
            if self.rng.random() < 0.12:
                paragraph += self._picture() + "\n"
            for _ in range(self.rng.randint(2, 7)):
                paragraph += self.sentence()
                if self.rng.random() < 0.5:
                    paragraph += f"[[{self.rng.choice(titles)}]] "
                if self.rng.random() < 0.3:
                    paragraph += f"<ref>{self.sentence()}</ref> "
            parts.append(paragraph[: max(200, size - done)] if "<" not in paragraph else paragraph)
            parts.append("\n\n")
            done += len(paragraph) + 2
        return "".join(parts) + ("\n== References ==\n<references />\n" if size > 3000 else "")

    def _picture(self) -> str:
        n = self.rng.randrange(PICTURES)
        place = f"https://upload.wikimedia.org/wikipedia/commons/thumb/{n % 16:x}/Picture_{n}.jpg/220px-Picture_{n}.jpg"
        return f'<img src="{place}" width="220" height="160" />'


def titles(rng: random.Random) -> list[str]:
    """The names of the articles."""
    writer = Writer(rng)
    found: dict[str, None] = {}
    while len(found) < ARTICLES:
        found[" ".join(writer.words(rng.randint(1, 3))).capitalize()[:60]] = None
    return list(found)


def dump(seed: str) -> tuple[str, dict[str, int]]:
    """An XML dump of the whole wiki, and the size of every article."""
    rng = random.Random(seed)
    names = titles(rng)
    writer = Writer(rng)
    sizes = {name: int(min(129_000, max(500, rng.lognormvariate(math.log(10_000), 1.1)))) for name in names}
    pages = {name: writer.article(size, names) for name, size in sizes.items()}
    for name in rng.sample(names, TALKS):
        pages[f"Talk:{name}"] = "".join(
            f"== {writer.sentence()[:30]} ==\n{writer.text(rng.randint(200, 2500))}\n\n"
            for _ in range(rng.randint(1, 6))
        )
    pages["Main Page"] = writer.article(9000, names)
    stamp = "2026-01-02T03:04:05Z"
    body = "".join(
        f"<page><title>{escape(name)}</title><ns>{int(name.startswith('Talk:'))}</ns><id>{n + 1}</id>"
        f"<revision><id>{n + 1}</id><timestamp>{stamp}</timestamp>"
        f"<contributor><username>Importer</username><id>1</id></contributor>"
        f"<model>wikitext</model><format>text/x-wiki</format>"
        f'<text xml:space="preserve">{escape(text)}</text></revision></page>\n'
        for n, (name, text) in enumerate(pages.items())
    )
    head = '<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.11/" version="0.11" xml:lang="en">\n'
    return f"{head}{body}</mediawiki>\n", {name: len(text) for name, text in pages.items()}


def pictures(folder: Path, seed: str) -> None:
    """Files that stand for pictures (they do not decode; 4 to 60 kB), and hCaptcha's script."""
    rng = random.Random(f"{seed}/pictures")
    for n in range(PICTURES):
        place = (
            folder / "wikipedia" / "commons" / "thumb" / f"{n % 16:x}" / f"Picture_{n}.jpg" / f"220px-Picture_{n}.jpg"
        )
        place.parent.mkdir(parents=True, exist_ok=True)
        size = int(min(60_000, max(4_000, rng.lognormvariate(math.log(12_000), 0.7))))
        place.write_bytes(b"\xff\xd8\xff\xe0\x00\x10JFIF" + rng.randbytes(size))
    (folder / "captcha.js").write_text(
        "/*" + "".join(f"{b:02x}" for b in rng.randbytes(90_000)) + "*/", encoding="ascii"
    )
