"""Run the command line as ``python -m qa``."""

from qa.cli import cli

cli(prog_name="qa")
