"""Where this project's files are, in a checkout and in an installed wheel.

The only module that tells the two apart; every other module imports names from here.
"""

from pathlib import Path

import click

PACKAGE = Path(__file__).parent
INSTALLED = (PACKAGE / "assets").is_dir()
ROOT = PACKAGE / "assets" if INSTALLED else PACKAGE.parent

CORPUS = ROOT / "corpus"
WEB = ROOT / "web"
MODEL = PACKAGE / "model"

# Never site-packages: an upgrade would delete what is kept.
_KEPT = Path(click.get_app_dir("mediation-notice-qa"))
INDEX = _KEPT / "index" if INSTALLED else ROOT / "index"
# Not in index/, which is deleted and built again at will.
FEEDBACK = _KEPT / "feedback.db"
