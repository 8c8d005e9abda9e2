"""Answer questions about a mediation notice with passages quoted from written guidance."""

__version__ = "0.1.0"
