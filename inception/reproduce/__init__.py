"""Figures checked: cards that rerun our own measurements, and the ledger of what others claim."""
