"""`python -m tests.faults.soak SECONDS [--seed N]`: faults at random for that long.

Three fifths of the time on a single Redis, the rest on Sentinel and on a Cluster (`--only` one of
them). Prints what it does, then the figures; the exit status is 0 only where nothing was lost,
doubled, damaged or left hanging. The same seed draws the same faults in the same order; when they
strike is the machine's.
"""

from __future__ import annotations

import argparse
import logging
import sys
import time
from random import Random

from tests.faults.soak.faults import EVERYWHERE, OF, Fault
from tests.faults.soak.tally import Tally
from tests.faults.soak.world import World

SHARES = {"single": 0.6, "sentinel": 0.2, "cluster": 0.2}
_SAMPLE_SECONDS = 2.0


def main() -> int:
    words = argparse.ArgumentParser(prog="python -m tests.faults.soak")
    words.add_argument("seconds", type=float, nargs="?", default=600)
    words.add_argument("--seed", type=int, default=int(time.time()))
    words.add_argument("--only", choices=SHARES)
    given = words.parse_args()
    tally = Tally()
    print(f"soak of {given.seconds:.0f} s, seed {given.seed}", flush=True)
    shares = {given.only: 1.0} if given.only else SHARES
    for number, (kind, share) in enumerate(shares.items()):
        soak(kind, given.seconds * share, Random(given.seed + number), tally)
    print(tally.report())
    print("sound" if tally.sound else "NOT SOUND")
    return 0 if tally.sound else 1


def soak(kind: str, seconds: float, random: Random, tally: Tally) -> None:
    """One world: faults for `seconds`, then healing and the judgement."""
    print(f"--- {kind}, {seconds:.0f} s", flush=True)
    world = World(kind, random, tally)
    try:
        world.begin()
        began = time.monotonic()
        sampled = 0.0
        # Each fault at least once in a while: a shuffled round after the other.
        waiting: list[Fault] = []
        while time.monotonic() - began < seconds:
            if time.monotonic() - sampled > _SAMPLE_SECONDS:
                world.memory.take()
                sampled = time.monotonic()
            if not waiting:
                waiting = [*EVERYWHERE, *OF[kind], *OF[kind]]
                random.shuffle(waiting)
            fault = waiting.pop()
            print(f"{time.monotonic() - began:6.1f} s  {fault.__name__}", flush=True)
            tally.faults[fault.__name__] += 1
            fault(world)
            time.sleep(random.uniform(0.2, 2.0))
        print(f"{time.monotonic() - began:6.1f} s  everything heals", flush=True)
        world.conclude()
    except Exception as error:
        logging.exception("the soak itself broke")
        tally.wrong.append(f"the soak itself broke: {error!r}")
    finally:
        if not tally.sound:
            path = f"soak-{kind}.log"
            with open(path, "w") as file:
                file.write(world.logs())
            print(f"logs in {path}", flush=True)
        world.end()


if __name__ == "__main__":
    sys.exit(main())
