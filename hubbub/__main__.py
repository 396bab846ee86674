"""`python -m hubbub …` is `hubbub …`."""

import sys

from hubbub.command import main

if __name__ == "__main__":
    sys.exit(main())
