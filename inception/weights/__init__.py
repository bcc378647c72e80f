"""Weights on disk: the model file, and what reads other people's files."""
