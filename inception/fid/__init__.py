"""Generated pictures measured against real ones: FID, KID, Inception Score, precision, recall."""
