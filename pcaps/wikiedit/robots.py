"""Scripts that edit by the API: `python -m pcaps.wikiedit.robots h1|h2 NAME SEED EDITS PAGES-FILE CA-FILE`."""

from __future__ import annotations

import json
import random
import ssl
import sys
import time
from pathlib import Path
from typing import Any

import httpx

from pcaps.wikiedit.content import Writer
from pcaps.wikiedit.website import PASSWORD

_API = "https://en.wikipedia.org/w/api.php"


def _edit(client: httpx.Client, rng: random.Random, writer: Writer, titles: list[str], token: str) -> None:
    data: dict[str, Any] = {"action": "edit", "format": "json", "token": token, "title": rng.choice(titles), "bot": "1"}
    way = rng.choice(("appendtext", "whole", "section"))
    if way == "whole":
        query = {"action": "query", "prop": "revisions", "rvprop": "content", "rvslots": "main", "format": "json"}
        got = client.get(_API, params=query | {"titles": data["title"], "formatversion": "2"}).json()
        data["text"] = got["query"]["pages"][0]["revisions"][0]["slots"]["main"]["content"] + writer.sentence()
    elif way == "section":
        data |= {"section": "new", "sectiontitle": writer.sentence()[:30], "text": writer.text(rng.randint(50, 2500))}
    else:
        data["appendtext"] = writer.text(rng.randint(20, 800))
    data["summary"] = "script: " + writer.sentence()[:40]
    said = client.post(_API, data=data).json()
    if said.get("edit", {}).get("result") != "Success":
        raise SystemExit(f"the edit failed: {said}")


def main() -> None:
    """Log in, read and edit a few times."""
    version, name, seed, edits, pages, authority = sys.argv[1:]
    rng = random.Random(seed)
    titles = [t for t in json.loads(Path(pages).read_text(encoding="utf-8")) if ":" not in t]
    context = ssl.create_default_context(cafile=authority)
    agent = {"user-agent": "LabBot/1.0 (https://en.wikipedia.org/wiki/User:Editor1) httpx"}
    with httpx.Client(http2=version == "h2", verify=context, headers=agent, timeout=120) as client:
        query = {"action": "query", "meta": "tokens", "type": "login", "format": "json"}
        token = client.get(_API, params=query).json()["query"]["tokens"]["logintoken"]
        word = {"action": "login", "lgname": name, "lgpassword": PASSWORD, "lgtoken": token, "format": "json"}
        if client.post(_API, data=word).json()["login"]["result"] != "Success":
            raise SystemExit("no log-in")
        token = client.get(_API, params={"action": "query", "meta": "tokens", "format": "json"}).json()
        for _ in range(int(edits)):
            _edit(client, rng, Writer(rng), titles, token["query"]["tokens"]["csrftoken"])
            time.sleep(rng.uniform(1, 6))


if __name__ == "__main__":
    main()
