"""The list. Each entry breaks a promise in one place, in the module that carries it."""

from __future__ import annotations

from dataclasses import dataclass

HISTORY = "tests/unit/test_history.py"
PUBLISHER = "tests/workers/test_publisher.py"
DEADLINES = "tests/provider/test_deadlines.py"
ERRORS = "tests/provider/test_errors.py"


@dataclass(frozen=True)
class Mutant:
    """`old` stands once in `file` and becomes `new`."""

    promise: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


MUTANTS = (
    Mutant(
        "an id with NUL is ignored",
        "hub/sse.py",
        'elif name == "id" and "\\0" not in value:',
        'elif name == "id":',
        ("tests/unit/test_sse.py",),
    ),
    Mutant(
        "an id of a publisher's own cannot break out of its field",
        "hub/flask_sse/message.py",
        '_BREAKS_OUT = re.compile(r"[\\r\\n\\0]")',
        '_BREAKS_OUT = re.compile(r"[\\r\\n]")',
        ("tests/flask_sse/test_message.py",),
    ),
    Mutant(
        "a publisher may not use the hub's own types",
        "hub/event.py",
        "if not own and (value in OWN_TYPES or value in EVENTSOURCE_TYPES):",
        "if not own and value in OWN_TYPES:",
        ("tests/unit/test_values.py",),
    ),
    Mutant(
        "a batch that is sent again is stored once",
        "hub/store/lua/append.lua",
        "if batch == ARGV[8] then",
        "if batch == nil then",
        (HISTORY,),
    ),
    Mutant(
        "an older batch that arrives late is refused",
        "hub/store/lua/append.lua",
        ">= tonumber(string.match(ARGV[8], '^%d+')) then",
        "< 0 then",
        (HISTORY,),
    ),
    Mutant(
        "who was taken over is refused",
        "hub/store/lua/append.lua",
        "if (found[i] or '') ~= ARGV[at + 2 * i - 1] then",
        "if found[i] == 'never' then",
        (HISTORY,),
    ),
    Mutant(
        "nothing is appended behind the end",
        "hub/store/lua/append.lua",
        "if state[5] then\n",
        "if state[5] == 'never' then\n",
        (HISTORY,),
    ),
    Mutant(
        "ids do not go back with the clock",
        "hub/store/lua/append.lua",
        "if now_ms > ms then ms, seq = now_ms, 0 else seq = seq + 1 end",
        "ms, seq = now_ms, 0",
        (HISTORY,),
    ),
    Mutant(
        "an Idempotency-Key with another body is refused",
        "hub/store/lua/append.lua",
        "again(same and 'answered' or 'reused', answered)",
        "again('answered', answered)",
        (HISTORY, "tests/unit/test_values.py"),
    ),
    Mutant(
        "a deletion can be proved",
        "hub/store/lua/delete.lua",
        "redis.call('HSET', KEYS[2], 'deleted', last, 'floor', state[2] or '0')",
        "redis.call('HSET', KEYS[2], 'floor', state[2] or '0')",
        (HISTORY,),
    ),
    Mutant(
        "a hole in the announcements is seen",
        "hub/store/follow.py",
        "return Heard.MISSING if place(news.last) > place(position) else Heard.KNOWN",
        "return Heard.CONTINUES if place(news.last) > place(position) else Heard.KNOWN",
        ("tests/unit/test_follow.py",),
    ),
    Mutant(
        "a position from the future is unknown",
        "hub/store/follow.py",
        "if at is None or at > place(state.head):",
        "if at is None:",
        ("tests/unit/test_follow.py", HISTORY),
    ),
    Mutant(
        "what is taken over never writes into the new run",
        "workers/run/publisher.py",
        'expect = {"fence": self._fence}',
        "expect: dict[str, str] = {}",
        (PUBLISHER,),
    ),
    Mutant(
        "a batch of deltas is stored once, though it was sent twice",
        "workers/run/publisher.py",
        'expect["batch"] = before',
        "pass",
        (PUBLISHER,),
    ),
    Mutant(
        "a repetition that the record tells still writes, for a WAIT",
        "hub/store/lua/append.lua",
        "  if ARGV[7] == '' then redis.call('EXPIRE', KEYS[2], ARGV[2]) end",
        "",
        (HISTORY,),
    ),
    Mutant(
        "an answer that is too large ends",
        "workers/run/publisher.py",
        "if self.bytes_left < 0:",
        "if self.bytes_left is None:",
        (PUBLISHER,),
    ),
    Mutant(
        "one publisher's trouble is its own",
        "hub/fanout/sender.py",
        "            del self._in_hand[publisher]\n        except Exception as error:",
        "            del self._in_hand[publisher]\n        except KeyError as error:",
        (PUBLISHER,),
    ),
    Mutant(
        "a run whose lease is another's is stopped",
        "workers/run/worker.py",
        'self._runs[entry].stop("lease lost")',
        "pass",
        ("tests/workers/test_leases.py",),
    ),
    Mutant(
        "a worker that cannot send renews nothing",
        "workers/run/worker.py",
        "            self._queue.unwell(trouble)\n            return\n",
        "            self._queue.unwell(trouble)\n",
        ("tests/workers/test_leases.py",),
    ),
    Mutant(
        "three lost attempts are enough",
        "workers/run/claim.py",
        "if generation.active and _lost(generation) >= MAX_ATTEMPTS:",
        "if generation.active and _lost(generation) > MAX_ATTEMPTS + 9:",
        ("tests/workers/test_claim.py",),
    ),
    Mutant(
        "an attempt that was handed over is not lost",
        "workers/run/claim.py",
        "(generation.attempt > 0 and not generation.handed_over)",
        "(generation.attempt > 0)",
        ("tests/workers/test_claim.py",),
    ),
    Mutant(
        "a job that another worker holds is not finished",
        "workers/lua/finish.lua",
        "if ARGV[2] ~= '' and not held(entry, ARGV[2]) then return 0 end",
        "",
        ("tests/workers/test_queue.py",),
    ),
    Mutant(
        "nothing is asked again once content was shown",
        "workers/provider/stream.py",
        "                if self._began:\n                    raise\n",
        "",
        ("tests/provider/test_retries.py",),
    ),
    Mutant(
        "an answer that stops ends",
        "workers/provider/stream.py",
        "exchange.due(stall)",
        "exchange.due(stall + 20)",
        (DEADLINES,),
    ),
    Mutant(
        "a consumer that takes its time is no stall",
        "workers/provider/stream.py",
        "exchange.not_due()",
        "pass",
        (DEADLINES,),
    ),
    Mutant(
        "text that comes with an error is kept",
        "workers/provider/answer.py",
        "            if not parts:\n                raise\n",
        "            raise\n",
        (ERRORS,),
    ),
    Mutant(
        "no secret is in a failure's words",
        "workers/provider/failure.py",
        "scrub(self.detail, secrets),",
        "self.detail,",
        (ERRORS,),
    ),
    Mutant(
        "one group's trouble is its own",
        "hub/fanout/group.py",
        "except Exception:  # this group's own trouble",
        "except KeyError:  # this group's own trouble",
        ("tests/unit/test_beats.py",),
    ),
    Mutant(
        "a page that contradicts what a room has had is given to nobody",
        "hub/fanout/room.py",
        "if contradicts(page, self.head):",
        "if contradicts(page, '0-0'):",
        ("tests/unit/test_room.py",),
    ),
    Mutant(
        "a loss is told",
        "hub/fanout/catch_up.py",
        "if snapshot is None or snapshot.frame is None:\n            self._tell_loss",
        "if snapshot is not None:\n            self._tell_loss",
        ("tests/unit/test_room.py",),
    ),
    Mutant(
        "one that has left is not read for",
        "hub/fanout/catch_up.py",
        "if position == room.head and deletions == room.deletions:",
        "if False:",
        ("tests/unit/test_room.py",),
    ),
    Mutant(
        "a loop that dies is begun again",
        "hub/fanout/loops.py",
        "gevent.spawn_later(self._backoff.take(), self._begin)",
        "pass",
        ("tests/unit/test_loops.py",),
    ),
    Mutant(
        "a loop that stands still is seen",
        "hub/fanout/loops.py",
        "                loop.look()\n",
        "                pass\n",
        ("tests/unit/test_loops.py",),
    ),
)
