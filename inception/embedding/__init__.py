"""Pictures as vectors: what a network sees in them, kept in files and compared by angle."""
