"""``python -m inception``, also under ``torchrun``."""

from inception.cli import main

if __name__ == "__main__":
    main()
