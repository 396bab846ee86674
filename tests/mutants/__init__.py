"""Promises broken on purpose, one at a time: does a fast test notice? (`make mutants`)

mutants     the list: which promise, which line, what it becomes, and the tests that carry it
__main__    breaks a copy of the checkout, runs those tests, and says what survived
"""
