"""`python -m tests.properties URL`: worlds on the Redis at URL, patched by gevent.

    --profile whole --seeds 0 20      run these (all profiles without --profile)
    --seed 7 --shrink                 leave out steps as long as it still fails

Prints one line for each world that breaks the promise, and how to see it again.
"""

from gevent import monkey

monkey.patch_all()

import argparse  # noqa: E402
import logging  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402

from tests.properties.judge import Broken  # noqa: E402
from tests.properties.plan import PROFILES, Plan, make  # noqa: E402
from tests.properties.world import World  # noqa: E402


def broken(plan: Plan, url: str) -> str:
    """How this world breaks the promise, or ''."""
    try:
        World(plan, url).run()
    except Broken as problem:
        return str(problem)
    except Exception as problem:
        logging.exception("%s %d", plan.profile, plan.seed)
        return f"{type(problem).__name__}: {problem}"
    return ""


def shrunk(plan: Plan, url: str) -> Plan:
    """The plan without the steps that the failure does not need; each smaller one has three tries,
    for Redis' and the kernel's timing is not the seed's."""
    size = len(plan.steps) // 2
    while size:
        at = 0
        while at < len(plan.steps):
            smaller = plan.without(range(at, at + size))
            if any(broken(smaller, url) for _ in range(3)):
                plan = smaller
            else:
                at += size
        size //= 2
    return plan


def main() -> int:
    words = argparse.ArgumentParser(prog="python -m tests.properties")
    words.add_argument("url")
    words.add_argument("--profile", choices=PROFILES, action="append")
    words.add_argument("--seeds", type=int, nargs=2, default=(0, 10))
    words.add_argument("--seed", type=int)
    words.add_argument("--shrink", action="store_true")
    words.add_argument("--times", action="store_true")
    given = words.parse_args()
    logging.getLogger("hub").addHandler(logging.NullHandler())
    logging.getLogger("hub").propagate = False
    logging.getLogger("hub.stream").setLevel(logging.ERROR)
    seeds = range(*given.seeds) if given.seed is None else (given.seed,)
    failures = 0
    for profile in given.profile or PROFILES:
        for seed in seeds:
            plan = make(profile, seed)
            since = time.monotonic()
            problem = broken(plan, given.url)
            if given.times:
                print(f"{profile} {seed}: {time.monotonic() - since:.2f} s", flush=True)
            if problem:
                failures += 1
                again = f"python -m tests.properties URL --profile {profile} --seed {seed}"
                print(f"{profile} {seed}: {problem}\n    {again} --shrink", flush=True)
                if given.shrink:
                    for step in shrunk(plan, given.url).steps:
                        print(f"    {step}")
    return min(failures, 100)


if __name__ == "__main__":
    sys.exit(main())
