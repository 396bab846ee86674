"""`python -m hub …` is `hubbub …` (contract §9)."""

import sys

from hubbub.command import main

if __name__ == "__main__":
    sys.exit(main())
