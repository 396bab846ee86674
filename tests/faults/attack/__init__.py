"""A hub with keys that others reach, and requests that try to get past them.

treasure   what its owner keeps there, and whether somebody else has read or changed it
tokens     what an attacker shows: nothing, forgeries, what has ended, a stranger's own token
requests   every route, aimed at the treasure's names in all spellings
__main__   the run
"""
