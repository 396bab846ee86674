"""The soak: all faults at random, for as long as one likes, and a judgement at the end.

world     a whole stack under load: web processes, workers, publishers, listeners, generations
faults    what may be done to it
tally     what came of it
"""
