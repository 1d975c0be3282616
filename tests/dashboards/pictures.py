"""Takes README's pictures of a store:  python -m tests.dashboards.pictures STORE [FOLDER]

deploy/demo --no-serve && .venv/bin/python -m tests.dashboards.pictures demo/store
"""

from __future__ import annotations

import sys
import tempfile
import threading
from pathlib import Path

import uvicorn
from playwright.sync_api import Page, sync_playwright

from dashboards.report import render_report
from dashboards.web import make_app
from pipeline.store import open_store

FOLDER = Path(__file__).parents[2] / "dashboards" / "pictures"
CHROMIUM = next((p for p in ("/usr/bin/chromium", "/usr/bin/chromium-browser") if Path(p).exists()), None)
WEEK, PORT = "2026-W47", 8377


def _take(page: Page, address: str, path: Path) -> None:
    page.goto(address)
    if page.locator("#chart").count():
        page.wait_for_selector("#chart canvas")
    page.screenshot(path=path, full_page=True)
    print(path)


def main(store_path: Path, folder: Path = FOLDER) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with open_store(store_path) as store, tempfile.TemporaryDirectory() as scratch, sync_playwright() as play:
        server = uvicorn.Server(uvicorn.Config(make_app(store), port=PORT, log_level="warning"))
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        report = Path(scratch) / "report.html"
        report.write_text(render_report(store, None, WEEK), "utf-8")
        browser = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        for name, path, width, scheme in (
            ("today", "/", 1280, "light"),
            ("today-dark", "/", 1280, "dark"),
            ("today-390", "/", 390, "light"),
            ("week", f"/week?week={WEEK}", 1280, "light"),
        ):
            page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
            _take(page, f"http://127.0.0.1:{PORT}{path}", folder / f"{name}.png")
        _take(browser.new_page(viewport={"width": 1000, "height": 900}), report.as_uri(), folder / "report.png")
        browser.close()
        server.should_exit = True
        thread.join(5)


if __name__ == "__main__":
    main(*(Path(argument) for argument in sys.argv[1:3]))
