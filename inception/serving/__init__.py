"""Models behind HTTP: answers in batches, a bounded queue, a page to try them on."""
