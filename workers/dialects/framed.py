"""A front end's dialect, but for its words: the state that a stream of it needs, and its course.

    nothing said  ──first event──▶  begun  ──delta, data, snapshot──▶ begun  ──terminal──▶ ended

A subclass says each thing in its protocol's words (`_begin`, `_step`, …), as JSON values that
become one block each. All blocks of one event carry the id of the event before it, but for the
last, which carries its own: a client that is cut off between them gets the rest.

Two views of one generation that stand at the same event and have the same segments go on alike:
listeners share their rendering.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

from hub.fanout.pace import paced
from hub.store.frame import Frame
from workers.dialects.block import TERMINAL, block, broken, in_turn, json_block, parsed
from workers.dialects.segments import NOTHING, CallClosed, Segments, Step
from workers.provider.joining import Joined
from workers.provider.members import DELTA, PARTS, PLAIN, unflat

Words = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Framed:
    """`shown`: sources that have been told already; each is told once. `carried`: a chain of what
    the model said beside its words, which goes back to it with the outputs of its calls."""

    generation_id: str
    begun: bool = False
    at: str = ""
    lost: bool = False
    segments: Segments = NOTHING
    shown: frozenset[str] = frozenset()
    carried: tuple[Any, Any] | None = field(default=None, compare=False)

    headers: ClassVar[Mapping[str, str]] = {}
    last: ClassVar[str | None] = None
    """What the last block says, where it is no JSON."""

    def render(self, frames: Sequence[Frame]) -> tuple[bytes, Self | None]:
        return in_turn(self, frames, type(self)._render)

    def _render(self, frame: Frame, out: list[bytes]) -> Self | None:
        event, data = parsed(frame)
        said: list[Words] = []
        view = replace(self, at=frame.id)
        problem = broken(event, sent=self.begun and self._has_said(), lost=self.lost)
        if problem is None and event == "failed":
            problem = data
        if not view.begun and (event in TERMINAL or event in ("delta", "data", "snapshot")):
            said += view._begin()
            view = replace(view, begun=True)
        if problem is not None:
            said += view._fail(problem)
        elif event == "delta":
            view = view._add(data, said)
        elif event == "data":
            said += view._data(data)
        elif event == "snapshot":
            view = view._snapshot(data, said)
        elif event == "completed":
            said += view._closing() + view._complete(data)
        elif event == "cancelled":
            said += view._closing() + view._cancel(data)
        ended = problem is not None or event in TERMINAL
        blocks: list[Words | str] = [*said]
        if ended and self.last is not None:
            blocks.append(self.last)
        for number, words in enumerate(paced(blocks), 1):
            at = frame if number == len(blocks) else frame._replace(id=frame.prev)
            if isinstance(words, str):
                out.append(block(at.id, words))
            else:  # at the end the whole of a call's arguments is said
                out.append(json_block(at, words, large=ended))
        return None if ended else view

    def _has_said(self) -> bool:
        return self.segments != NOTHING

    def _add(self, delta: Mapping[str, Any], said: list[Words]) -> Self:
        """A delta, or a choice of a snapshot."""
        if delta["index"] != 0:
            return self
        segments, steps = self.segments.add(delta)
        for step in steps:
            said += self._step(step)
        view = replace(self, segments=segments)
        if not PLAIN.issuperset(delta):
            for (place, name), value in unflat(delta).items():
                if place == DELTA and name not in _SHOWN:
                    view = replace(view, carried=(view.carried, (name, value)))
        beside = {name: delta[name] for name in _BESIDE if name in delta}
        return view._sources(beside, said) if beside else view

    def _snapshot(self, data: Mapping[str, Any], said: list[Words]) -> Self:
        view = self
        for part in data.get("data", ()):
            said += view._data(part)
        for choice in data["choices"]:
            view = view._add(choice, said)
        beside = {name: data[name] for name in _BESIDE if name in data}
        return view._sources(beside, said) if beside else view

    def _sources(self, beside: Mapping[str, Any], said: list[Words]) -> Self:
        """What stands beside the text: pictures, and the pages that it cites, each told once."""
        shown = set(self.shown)
        for url, title in paced(_cited(beside)):
            if url not in shown:
                shown.add(url)
                said += self._source(url, title)
        for url in paced(_pictures(beside)):
            said += self._picture(url)
        return replace(self, shown=frozenset(shown))

    def _closing(self) -> list[Words]:
        """What is open is closed. What the provider will want to see again with a call's output is
        `hubbub` in the client's own words: of the call, and of the whole message."""
        steps, calls = self.segments.end()
        said = [words for step in steps for words in self._step(step)]
        for call in calls:
            again: dict[str, Any] = {"call": dict(call.more)} if call.more else {}
            if call is calls[0] and (message := self._beside()):
                again["message"] = message
            said += self._called(call, again)
        return said

    def _beside(self) -> dict[str, Any]:
        joined, chain, found = Joined(), self.carried, []
        while chain is not None:
            chain, member = chain
            found.append(member)
        for name, value in paced(reversed(found)):
            joined.add(DELTA, name, value)
        return {name: value for (_, name), value in joined.to_json(DELTA).items()}

    # ── the protocol's words ─────────────────────────────────────────────────────────────────

    def _begin(self) -> list[Words]:
        raise NotImplementedError

    def _step(self, step: Step) -> list[Words]:
        raise NotImplementedError

    def _called(self, call: CallClosed, again: Mapping[str, Any]) -> list[Words]:
        raise NotImplementedError

    def _data(self, part: Mapping[str, Any]) -> list[Words]:
        raise NotImplementedError

    def _source(self, url: str, title: str | None) -> list[Words]:
        raise NotImplementedError

    def _picture(self, url: str) -> list[Words]:
        raise NotImplementedError

    def _complete(self, data: Mapping[str, Any]) -> list[Words]:
        raise NotImplementedError

    def _cancel(self, data: Mapping[str, Any]) -> list[Words]:
        raise NotImplementedError

    def _fail(self, problem: Mapping[str, Any]) -> list[Words]:
        raise NotImplementedError


_SHOWN = frozenset({"annotations", "images", "audio"})
"""Of what is carried, what is shown or may be large, and no provider asks for again."""
_BESIDE = ("annotations", "citations", "search_results", "images", PARTS)


def _cited(beside: Mapping[str, Any]) -> Iterator[tuple[str, str | None]]:
    """URLs and titles of what an answer cites: OpenAI's annotations, Perplexity's lists."""
    for each in _list(beside, "annotations"):
        cited = each.get("url_citation", each) if isinstance(each, dict) else None
        if isinstance(cited, dict) and isinstance(cited.get("url"), str):
            title = cited.get("title")
            yield cited["url"], title if isinstance(title, str) else None
    for each in _list(beside, "search_results"):
        if isinstance(each, dict) and isinstance(each.get("url"), str):
            title = each.get("title")
            yield each["url"], title if isinstance(title, str) else None
    for each in _list(beside, "citations"):
        if isinstance(each, str):
            yield each, None


def _pictures(beside: Mapping[str, Any]) -> Iterator[str]:
    for each in [*_list(beside, "images"), *_list(beside, PARTS)]:
        picture = each.get("image_url") if isinstance(each, Mapping) else None
        url = picture.get("url") if isinstance(picture, Mapping) else picture  # Mistral
        if isinstance(url, str):
            yield url


def _list(beside: Mapping[str, Any], name: str) -> list[Any]:
    value = beside.get(name)
    return value if isinstance(value, list) else []
