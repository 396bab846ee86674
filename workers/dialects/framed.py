"""A front end's dialect, but for its words: the state that a stream of it needs, and its course.

    nothing said  ──first event──▶  begun  ──delta, data, snapshot──▶ begun  ──terminal──▶ ended

A subclass says each thing in its protocol's words (`_begin`, `_step`, …), as JSON values that
become one block each. All blocks of one event carry the id of the event before it, but for the
last, which carries its own: a client that is cut off between them gets the rest.

Two views of one generation that stand at the same event and have the same segments go on alike:
listeners share their rendering.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

from hub.store.frame import Frame
from workers.dialects.block import TERMINAL, block, broken, in_turn, json_block, parsed
from workers.dialects.segments import NOTHING, Segments, Step

Words = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Framed:
    """`shown`: sources that have been told already; each is told once."""

    generation_id: str
    begun: bool = False
    at: str = ""
    lost: bool = False
    segments: Segments = NOTHING
    shown: frozenset[str] = frozenset()

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
        for number, words in enumerate(blocks, 1):
            at = frame if number == len(blocks) else frame._replace(id=frame.prev)
            out.append(block(at.id, words) if isinstance(words, str) else json_block(at, words))
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
        for url, title in _cited(beside):
            if url not in shown:
                shown.add(url)
                said += self._source(url, title)
        for url in _pictures(beside):
            said += self._picture(url)
        return replace(self, shown=frozenset(shown))

    def _closing(self) -> list[Words]:
        return [words for step in self.segments.end() for words in self._step(step)]

    # ── the protocol's words ─────────────────────────────────────────────────────────────────

    def _begin(self) -> list[Words]:
        raise NotImplementedError

    def _step(self, step: Step) -> list[Words]:
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


_BESIDE = ("annotations", "citations", "search_results", "images")


def _cited(beside: Mapping[str, Any]) -> list[tuple[str, str | None]]:
    """URLs and titles of what an answer cites: OpenAI's annotations, Perplexity's lists."""
    found: list[tuple[str, str | None]] = []
    for each in _list(beside, "annotations"):
        cited = each.get("url_citation", each) if isinstance(each, Mapping) else None
        if isinstance(cited, Mapping) and isinstance(cited.get("url"), str):
            title = cited.get("title")
            found.append((cited["url"], title if isinstance(title, str) else None))
    for each in _list(beside, "search_results"):
        if isinstance(each, Mapping) and isinstance(each.get("url"), str):
            title = each.get("title")
            found.append((each["url"], title if isinstance(title, str) else None))
    found += [(each, None) for each in _list(beside, "citations") if isinstance(each, str)]
    return found


def _pictures(beside: Mapping[str, Any]) -> list[str]:
    found = []
    for each in _list(beside, "images"):
        picture = each.get("image_url") if isinstance(each, Mapping) else None
        if isinstance(picture, Mapping) and isinstance(picture.get("url"), str):
            found.append(picture["url"])
    return found


def _list(beside: Mapping[str, Any], name: str) -> list[Any]:
    value = beside.get(name)
    return value if isinstance(value, list) else []
