"""Producers over HTTP: a generation that its creator answers, in any language (contract §4).

`POST /generations` with `"producer": "client"` makes one that runs already, with a fence and
without a job. Its creator POSTs the answer to `/generations/{id}/deltas`, in as many bodies as it
likes.

    line        one thing that is said, and how the answer ends
    lines       a body of JSON lines → lines
    chunks      a body of OpenAI's chunks → lines, through the parser of the providers
    progress    how far the answer has come, in the record
    writer      lines → the channel and the record, once each, behind what other bodies have said
    bodies      the bodies that are open in this process: told at once when their generation ends
    views       the route

What a producer says goes through the same publisher as what a provider says. In the place of a
worker's lease stands `silence`: how long a producer may say nothing.
"""
