"""How good a model is: metrics, and evaluation on a labelled set."""
