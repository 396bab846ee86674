"""What happens in one world: a list of steps, made from a seed alone.

Every step names what it touches, so that any can be left out and the rest still makes sense: that
is what makes a failure shrinkable (`python -m tests.properties --seed 7 --shrink`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random

PROFILES = {
    # history reaches back to the beginning: nobody may ever miss anything or be told of a loss
    "whole": ("publish", "join", "return", "leave"),
    "faults": ("publish", "join", "return", "leave", "kill", "scripts", "mute"),
    # history is short, or is taken away: what is missing must have been said
    "trimmed": ("publish", "join", "return", "leave", "mute"),
    "deleted": ("publish", "join", "return", "leave", "delete", "kill"),
    # a channel whose past a snapshot stands for, and which ends
    "ending": ("publish", "join", "return", "leave", "kill", "mute", "finish"),
    "emptied": ("publish", "join", "return", "leave", "delete", "empty", "kill", "mute"),
}
_WEIGHTS = {"publish": 12, "join": 5, "return": 6, "leave": 2, "finish": 0.7}
_HISTORIES = {"trimmed": (3, 8, 20), "ending": (4, 12, 10_000)}
_RARE = 1.5
APPETITES = ("all", "all", "much", "little", "nothing until the end")


@dataclass(frozen=True)
class Step:
    """`word` says what happens, the numbers to whom; `roll` is the step's own randomness."""

    word: str
    channels: tuple[int, ...] = ()
    client: int = 0
    process: int = 0
    count: int = 0
    mode: str = ""
    roll: int = 0


@dataclass(frozen=True)
class Plan:
    seed: int
    profile: str
    history_events: int
    recent_bytes: int
    page_events: int
    turn_bytes: int
    slice_listeners: int
    appetites: tuple[str, ...]
    steps: tuple[Step, ...]

    def without(self, left_out: Sequence[int]) -> Plan:
        kept = [step for i, step in enumerate(self.steps) if i not in set(left_out)]
        return replace(self, steps=tuple(kept))


CHANNELS = 3
CLIENTS = 9
PROCESSES = 2


def make(profile: str, seed: int, steps: int = 45) -> Plan:
    random = Random(f"{profile} {seed}")
    words = PROFILES[profile]
    weights = [_WEIGHTS.get(word, _RARE) for word in words]
    chosen = random.choices(words, weights, k=steps)
    together = [_step("join", random, channels=(0,)) for _ in range(2)]  # a new channel, at once
    return Plan(
        seed=seed,
        profile=profile,
        history_events=random.choice(_HISTORIES.get(profile, (10_000,))),
        recent_bytes=random.choice((1, 600, 2000, 5000, 1 << 20)),
        page_events=random.choice((1, 3, 17, 1000)),
        turn_bytes=random.choice((1, 300, 256 * 1024)),
        slice_listeners=random.choice((1, 2, 64)),
        appetites=tuple(random.choice(APPETITES) for _ in range(CLIENTS)),
        steps=(*together, *(_step(word, random) for word in chosen)),
    )


def _step(word: str, random: Random, channels: tuple[int, ...] | None = None) -> Step:
    several = random.random() < 0.3
    picked = random.sample(range(CHANNELS), random.randint(2, CHANNELS) if several else 1)
    return Step(
        word=word,
        channels=channels or tuple(sorted(picked)),
        client=random.randrange(CLIENTS),
        process=random.randrange(PROCESSES),
        count=random.choice((1, 1, 1, 2, 5, 40)),
        mode=random.choice(("now", "start", "")),
        roll=random.randrange(1 << 30),
    )
