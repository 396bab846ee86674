"""A run as a picture: one panel for each thing measured, a dot for each peer, plain SVG.

Dots and not bars, on a logarithmic scale: the values differ by orders of magnitude, and a bar would
begin nowhere. The line through a dot is the span of the rounds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape

from bench.results import US, Results, Spread

WIDTH, NAMES, GAP, ROW, HEAD, FOOT = 1080, 178, 28, 19, 52, 26
COLUMNS = 2
_STYLE = """
text { font: 12px system-ui, sans-serif; fill: #24292f }
.title { font-size: 14px; font-weight: 600 }
.note, .tick { fill: #57606a; font-size: 11px }
.grid { stroke: #d0d7de; stroke-width: 1 }
.span { stroke: #8c959f; stroke-width: 2 }
.dot { fill: #8c959f }
.us { font-weight: 700 }
.span.us { stroke: #0969da }
.dot.us { fill: #0969da }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  .note, .tick { fill: #9198a1 }
  .grid { stroke: #30363d }
  .span.us { stroke: #58a6ff }
  .dot.us { fill: #58a6ff }
}
"""


@dataclass(frozen=True)
class Panel:
    scenario: str
    measure: str
    title: str
    note: str
    digits: int = 1


PANELS = (
    Panel("paced-1000", "cpu_us", "CPU per delivery, paced, 1,000 listeners", "µs, less is better"),
    Panel("full-1000", "deliveries_per_second", "At full speed, 1,000 listeners",
          "deliveries a second, more is better", 0),
    Panel("channels", "cpu_and_redis_us", "CPU per delivery with Redis, 300 channels × 3",
          "µs, less is better"),
    Panel("memory", "kib_per_listener", "Memory per idle listener", "KiB, less is better"),
    Panel("storm", "cpu_us_per_arrival", "CPU per arrival, 5,000 return at once",
          "µs, less is better", 0),
    Panel("stalled", "p99_beside_ms", "p99 of 100 readers beside 100 stalled ones",
          "ms, less is better"),
)  # fmt: skip


def picture(results: Results) -> str:
    """The panels that there are results for."""
    drawn = [
        (panel, rows) for panel in PANELS if (rows := _rows(results, panel))
    ]  # fmt: skip
    width = (WIDTH - GAP * (COLUMNS - 1)) / COLUMNS
    parts, top = [], 0.0
    for at in range(0, len(drawn), COLUMNS):
        line = drawn[at : at + COLUMNS]
        height = HEAD + ROW * max(len(rows) for _, rows in line) + FOOT
        for column, (panel, rows) in enumerate(line):
            parts.append(
                f'<g transform="translate({column * (width + GAP):.0f} {top:.0f})">'
                f"{_panel(results, panel, rows, width)}</g>"
            )
        top += height
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top:.0f}" '
        f'width="{WIDTH}" height="{top:.0f}"><style>{_STYLE}</style>{"".join(parts)}</svg>\n'
    )


def _rows(results: Results, panel: Panel) -> list[tuple[str, Spread]]:
    found = [
        (peer, results.spread(panel.scenario, peer, panel.measure))
        for peer in results.peers(panel.scenario)
    ]
    return [(peer, spread) for peer, spread in found if spread and spread.median > 0]


def _panel(results: Results, panel: Panel, rows: list[tuple[str, Spread]], width: float) -> str:
    low = math.floor(math.log10(min(max(spread.low, spread.median / 10) for _, spread in rows)))
    high = math.ceil(math.log10(max(spread.high for _, spread in rows)))
    high = max(high, low + 1)
    room = width - NAMES - 64

    def x(value: float) -> float:
        place = (math.log10(max(value, 10.0**low)) - low) / (high - low)
        return NAMES + room * min(1.0, place)

    bottom = HEAD + ROW * len(rows)
    parts = [
        f'<text class="title" x="0" y="16">{escape(panel.title)}</text>',
        f'<text class="note" x="0" y="33">{escape(panel.note)}; logarithmic</text>',
    ]
    for power in range(low, high + 1):
        at = x(10.0**power)
        parts.append(
            f'<line class="grid" x1="{at:.1f}" x2="{at:.1f}" y1="{HEAD - 8}" y2="{bottom}"/>'
            f'<text class="tick" x="{at:.1f}" y="{bottom + 13}" text-anchor="middle">'
            f"{_tick(power)}</text>"
        )
    for number, (peer, spread) in enumerate(rows):
        y = HEAD + ROW * number + 4
        us = " us" if peer == US else ""
        parts.append(
            f'<text class="name{us}" x="{NAMES - 10}" y="{y + 4}" text-anchor="end">'
            f"{escape(_short(results, peer))}</text>"
            f'<line class="span{us}" x1="{x(spread.low):.1f}" x2="{x(spread.high):.1f}" '
            f'y1="{y}" y2="{y}"/>'
            f'<circle class="dot{us}" cx="{x(spread.median):.1f}" cy="{y}" r="5"/>'
            f'<text class="value{us}" x="{x(spread.high) + 9:.1f}" y="{y + 4}">'
            f"{spread.median:,.{panel.digits}f}</text>"
        )
    return "".join(parts)


def _tick(power: int) -> str:
    return f"{10.0 ** (power - 6):g} M" if power >= 6 else f"{10.0**power:,g}"


def _short(results: Results, peer: str) -> str:
    title: str = results.titles["peers"][peer]
    return title.replace(" + sse-starlette", "").replace(" loop of send", "")
