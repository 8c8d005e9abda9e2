"""Pictures of the pages for docs/screenshots: python bench/screenshots.py.

They show a real `qa serve` over the index of the settings, in the machine's own Chromium.
"""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page, expect, sync_playwright

try:
    from PIL import Image
except ImportError:
    Image = None

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "screenshots"
TOPIC = "topics/respond-how-fast"
QUESTIONS = {
    "answered": "收到花呗的调解短信，三天内要我回电话，怎么办",
    "uncertain": "调解员说要来我家怎么办",
    "unanswered": "红烧肉怎么做",
    "urgent": "催收说要弄死我全家，今晚上门",
    "reply": "谢谢",
    "understood": "花呗的司法却认要多久内做，zenmeban",
    "parts": "短信里的链接能点吗？还有，逾期会坐牢吗？",
    "error": "",
}
HEADINGS = {  # proof that a picture shows what its name says
    "start": "收到调解通知，不知道怎么办？",
    "answered": "找到了对应的指引",
    "uncertain": "没有完全对应的指引",
    "unanswered": "目前的指引没有回答这个问题",
    "urgent": "有人拿您或家人的安全来威胁，先保证人身安全：有危险马上拨110。",
    "reply": "回复",
    "understood": "找到了对应的指引",
    "parts": "找到了对应的指引",
    "error": "有一个地方要改",
    "topic": "收到通知后多久必须回复？",
}
PHONE_ONLY = {"urgent", "reply", "understood", "parts"}
DEVICES = {"phone": (360, 740), "desktop": (1280, 900)}
TALLEST = 1400  # pixels
COLOURS = 64
MOST_BYTES = 1_600_000  # all pictures together
CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@contextmanager
def served() -> Iterator[str]:
    """Run a server and yield the address of its start page."""
    command = [sys.executable, "-m", "qa", "serve", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, encoding="utf-8") as server:
        try:
            address = re.search(r"http://\S+", server.stdout.readline())
            if address is None:
                sys.exit("`qa serve` did not start")
            yield address[0]
        finally:
            server.terminate()


def show(page: Page, start: str, state: str) -> None:
    page.goto(start + TOPIC if state == "topic" else start)
    if state in QUESTIONS:
        page.get_by_label("您的问题").fill(QUESTIONS[state])
        page.get_by_role("button").press("Enter")  # a mouse would stay and hover
    expect(page.locator("main").get_by_role("heading").first).to_have_text(HEADINGS[state])


def take(page: Page, file: Path) -> None:
    """Write the page, from its top down to ``TALLEST``."""
    whole = {"x": 0, "y": 0, "width": page.viewport_size["width"], "height": TALLEST}
    page.screenshot(path=file, full_page=True, clip=whole)
    if Image:
        with Image.open(file) as picture:
            few = picture.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
        few.save(file, optimize=True)


def main() -> None:
    program = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if program is None:
        sys.exit("no Chromium: apt-get install chromium fonts-noto-cjk")
    FOLDER.mkdir(parents=True, exist_ok=True)
    files = []
    with served() as start, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        for device, (width, height) in DEVICES.items():
            for scheme in ("light", "dark"):
                page = browser.new_page(
                    viewport={"width": width, "height": height}, color_scheme=scheme, locale="zh-CN"
                )
                for state in HEADINGS:
                    if state in PHONE_ONLY and device != "phone":
                        continue
                    show(page, start, state)
                    files.append(FOLDER / f"{state}-{device}-{scheme}.png")
                    take(page, files[-1])
        browser.close()
    size = sum(file.stat().st_size for file in files)
    print(f"{len(files)} pictures, {size / 1e6:.2f} MB in docs/screenshots")
    if size > MOST_BYTES:
        sys.exit(f"more than {MOST_BYTES / 1e6} MB" + ("" if Image else ": install Pillow"))


if __name__ == "__main__":
    main()
