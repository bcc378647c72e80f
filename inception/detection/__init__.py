"""Detection: where in a picture its objects are. Regions proposed, then classified."""
