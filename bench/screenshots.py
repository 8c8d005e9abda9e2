"""Pictures of the pages for docs/screenshots: python bench/screenshots.py.

They show a real `qa serve` over the index of the settings, in the machine's own Chromium.
"""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, expect, sync_playwright

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "screenshots"
QUESTIONS = {
    "answered": "收到花呗的调解短信，三天内要我回电话，怎么办",
    "uncertain": "调解员说要来我家怎么办",
    "unanswered": "红烧肉怎么做",
    "urgent": "催收说要弄死我全家，今晚上门",
    "reply": "谢谢",
    "understood": "花呗的司法却认要多久内做，zenmeban",
    "parts": "短信里的链接能点吗？还有，逾期会坐牢吗？",
    "error": "",
    "large": "短信里的链接能点吗",
}
ADDRESSES = {  # where the start page is not the address
    "contents": "topics",
    "topic": "topics/respond-how-fast",
    "checklist": "topics/court-payment-order/checklist",
    "missing": "nothing-here",
    "english": "?lang=en",
    "large": "?lang=hant&text=large",
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
    "missing": "没有这个页面",
    "contents": "全部指引",
    "topic": "收到通知后多久必须回复？",
    "checklist": "收到支付令怎么办？",
    "english": "You got a mediation notice and wonder what to do?",
    "large": "找到了對應的指引",
}
DEVICES = {"phone": (360, 740), "desktop": (1280, 900)}
TALLEST = 1100  # pixels
COLOURS = 16
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
    page.goto(start + ADDRESSES.get(state, ""))
    if state in QUESTIONS:
        page.locator("#question").fill(QUESTIONS[state])
        page.locator(".ask button").press("Enter")  # a mouse would stay and hover
    expect(page.locator("main").get_by_role("heading").first).to_have_text(HEADINGS[state])


def take(page: Page, file: Path) -> None:
    """Write the page, from its top down to ``TALLEST``, in few colours."""
    whole = {"x": 0, "y": 0, "width": page.viewport_size["width"], "height": TALLEST}
    taken = page.screenshot(full_page=True, clip=whole)
    with Image.open(BytesIO(taken)) as picture:
        few = picture.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
        few.convert("RGB").save(file, lossless=True, method=6)


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
                    show(page, start, state)
                    files.append(FOLDER / f"{state}-{device}-{scheme}.webp")
                    take(page, files[-1])
        browser.close()
    size = sum(file.stat().st_size for file in files)
    print(f"{len(files)} pictures, {size / 1e6:.2f} MB in docs/screenshots")
    if size > MOST_BYTES:
        sys.exit(f"more than {MOST_BYTES / 1e6} MB")


if __name__ == "__main__":
    main()
