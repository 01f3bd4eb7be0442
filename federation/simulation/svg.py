"""Shares over time as an SVG, one panel for each member's clients; readable in light and in dark. Pure text."""

from collections.abc import Iterable, Sequence
from itertools import accumulate
from xml.sax.saxutils import escape

from federation.simulation.trace import Trace

WIDTH, PANEL, GAP = 900, 120, 44
LEFT, RIGHT, TOP = 110, 20, 64
_LIGHT = ("#3b6fb6", "#d9822b", "#4f9d69", "#a05195", "#8c8c3a", "#6c7a89")
_DARK = ("#7aa7e8", "#f0a860", "#86cf9f", "#d08fc6", "#c9c96b", "#a9b6c4")


def svg(trace: Trace) -> str:
    """The picture of a run; areas are shares from 0 to 100 %, vertical lines are what happens."""
    names = [one.name for one in trace.world.members]
    height = TOP + len(names) * (PANEL + GAP)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
            f'aria-label="{escape(trace.title)}">',
            _style(len(names)),
            f'<rect class="ground" width="{WIDTH}" height="{height}"/>',
            f'<text x="{LEFT}" y="22" class="title">Shares over time: {escape(trace.title)}</text>',
            *_legend(names),
            *(line for row, name in enumerate(names) for line in _panel(trace, names, name, row)),
            "</svg>\n",
        ]
    )


def _style(count: int) -> str:
    def colours(palette: Sequence[str]) -> str:
        return "".join(f".m{at}{{fill:{palette[at % len(palette)]}}}" for at in range(count))

    light = f".ground{{fill:#fff}}text{{fill:#222}}.frame{{stroke:#999}}.event{{stroke:#222}}{colours(_LIGHT)}"
    dark = f".ground{{fill:#0d1117}}text{{fill:#ddd}}.frame{{stroke:#777}}.event{{stroke:#fff}}{colours(_DARK)}"
    fixed = "text{font:12px sans-serif}.title{font-size:15px}.frame{fill:none}.event{stroke-dasharray:3 3}"
    return f"<style>{fixed}{light}@media (prefers-color-scheme:dark){{{dark}}}</style>"


def _legend(names: Sequence[str]) -> Iterable[str]:
    for at, name in enumerate(names):
        x = LEFT + at * 150
        yield f'<rect class="m{at}" x="{x}" y="34" width="12" height="12"/>'
        yield f'<text x="{x + 18}" y="45">{escape(name)}</text>'


def _panel(trace: Trace, names: Sequence[str], clients: str, row: int) -> Iterable[str]:
    top = TOP + row * (PANEL + GAP)
    yield f'<text x="4" y="{top + 14}">clients of</text><text x="4" y="{top + 30}">{escape(clients)}</text>'
    for at, points in enumerate(_areas(trace, names, clients, top)):
        yield f'<polygon class="m{at}" points="{points}"/>'
    width = WIDTH - LEFT - RIGHT
    yield f'<rect class="frame" x="{LEFT}" y="{top}" width="{width}" height="{PANEL}"/>'
    for mark, y in (("100 %", top + 10), ("0 %", top + PANEL)):
        yield f'<text x="{LEFT - 6}" y="{y}" text-anchor="end">{mark}</text>'
    yield from _times(trace, top)


def _times(trace: Trace, top: int) -> Iterable[str]:
    for at in sorted({event.at for event in trace.events if event.at <= trace.moments[-1].at}):
        x = _x(trace, at)
        yield f'<line class="event" x1="{x}" y1="{top}" x2="{x}" y2="{top + PANEL}"/>'
    end = round(trace.moments[-1].at + trace.tick)
    for at in range(0, end + 1, max(10, end // 100 * 10)):
        yield f'<text x="{_x(trace, at)}" y="{top + PANEL + 16}" text-anchor="middle">{at} s</text>'


def _x(trace: Trace, at: float) -> float:
    return round(LEFT + (WIDTH - LEFT - RIGHT) * at / (trace.moments[-1].at + trace.tick), 1)


def _areas(trace: Trace, names: Sequence[str], clients: str, top: int) -> Iterable[str]:
    """One polygon a member, each on top of those before it; corners only where anything moves."""
    columns: list[tuple[float, list[int]]] = []
    for moment in trace.moments:
        heights = [0, *accumulate(moment.shares[clients].get(name, 0) for name in names)]
        if not columns or heights != columns[-1][1]:
            if columns:
                columns.append((_x(trace, moment.at), columns[-1][1]))
            columns.append((_x(trace, moment.at), heights))
    columns.append((_x(trace, trace.moments[-1].at + trace.tick), columns[-1][1]))
    for at in range(len(names)):
        upper = [f"{x},{_y(heights[at + 1], top)}" for x, heights in columns]
        lower = [f"{x},{_y(heights[at], top)}" for x, heights in reversed(columns)]
        yield " ".join([*upper, *lower])


def _y(ppm: int, top: int) -> float:
    return round(top + PANEL - PANEL * ppm / 1_000_000, 1)
