"""Pictures: decoding, data sets, augmentation, crops, loading, and the data doctor. No torch."""
