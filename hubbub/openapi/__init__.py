"""What the hub answers over HTTP, as one OpenAPI 3.1 document: `GET /openapi.json`.

    values       the words that the others are written in: schemas, parameters, operations
    problems     the ways in which a request is refused, from the error classes
    channels     subscribe, publish, history, information             contract §2, §3
    generations  ask, watch, produce, share; threads                  contract §4
    openai       everything under `/v1`                               contract §5
    frontends    the AI SDK's and AG-UI's faces                       contract §5
    operating    tokens, health, figures, pages, the document itself  contract §7, §8, §10
    document     all of it together
    views        the route

Numbers, patterns and words come from the modules that check by them. `tests/openapi` holds the
document to the routes, both ways, and to what a running hub answers.
"""
