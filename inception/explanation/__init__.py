"""What made a network answer as it did: maps, attributions, branches, dreams."""
