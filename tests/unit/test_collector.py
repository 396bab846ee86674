"""Python's collector of cycles, in a process of its own: it looks at old objects rarely."""

from __future__ import annotations

import subprocess
import sys
from textwrap import dedent

SCRIPT = """
    import gc, weakref
    from hub.process import collect_for_ever, spare_the_collector

    class Cycle:
        pass

    def old_cycle():
        one = Cycle()
        one.itself, gone = one, weakref.ref(one)
        gc.collect(1)
        return gone

    class Minutes:
        def __init__(self):
            self.kept, self.dead, self.minute = [], None, 0

        def sleep(self, seconds):
            if self.dead is not None:
                print(self.dead() is None)
            if self.minute == 4:
                raise StopIteration
            self.kept += [[] for _ in range((0, 400_000, 0, 500_000)[self.minute])]
            self.dead = old_cycle()
            many = [[] for _ in range(1_500_000)]  # a hundred times what makes it look at the old
            del many
            assert self.dead() is not None, "all of the heap was looked at"
            self.minute += 1

    spare_the_collector()
    try:
        collect_for_ever(Minutes())
    except StopIteration:
        pass
"""


def test_old_cycles_are_freed_where_objects_are_few_or_twice_as_many_as_before() -> None:
    """Each minute an old cycle is dropped, beside 0, 400,000, 400,000 and 900,000 objects."""
    command = [sys.executable, "-c", dedent(SCRIPT)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout.split() == ["True", "True", "False", "True"], done.stderr
