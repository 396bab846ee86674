"""A program named as a generator's module by mistake: importing it runs it, and it leaves."""

import sys

sys.exit(3)
