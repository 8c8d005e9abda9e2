"""Write the description of the API to docs/openapi.json: python bench/openapi.py.

With the default settings, whatever the environment says.
"""

import json
from pathlib import Path

from qa.settings import Settings
from qa.web.openapi import document

FILE = Path(__file__).resolve().parents[1] / "docs" / "openapi.json"


def main() -> None:
    described = document(Settings.model_construct())
    FILE.write_text(json.dumps(described, ensure_ascii=False, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()
