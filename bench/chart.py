"""The chart for the README: bars in plain SVG, readable on light and on dark."""

from __future__ import annotations

from typing import Any
from xml.sax.saxutils import escape

from bench.engines import KINDS

_STYLE = """
  text { font: 13px system-ui, -apple-system, "Segoe UI", sans-serif; fill: #1f2328 }
  .title { font-weight: 600; font-size: 15px }
  .muted { fill: #59636e; font-size: 12px }
  .ratio { font-weight: 600 }
  .abaft { fill: #0a7d6c }
  .peer { fill: #9aa4ae }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc }
    .muted { fill: #9198a1 }
    .abaft { fill: #2bb8a3 }
    .peer { fill: #656c76 }
  }
"""
_WIDTH, _LEFT, _BAR, _ROW = 760, 180, 440, 44


def draw(result: dict[str, Any]) -> str:
    """The whole SVG document; engines one below the other, each with a scale of its own."""
    parts: list[str] = []
    y = 58
    for engine, measured in result["engines"].items():
        parts += _engine(KINDS[engine].title, measured["scenarios"], y)
        y += 40 + _ROW * len(measured["scenarios"])
    parts.append(_text(16, y, "One worker on one core. Longer is better.", "muted"))
    return "\n".join([*_head(y + 18), *parts, "</svg>", ""])


def _head(height: int) -> list[str]:
    label = "Requests a second, abaft beside FastAPI with SQLAlchemy"
    return [
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{label}"',
        f'  viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}">',
        f"<style>{_STYLE}</style>",
        _text(16, 26, "Requests a second", "title"),
        _rect(_LEFT + 20, 15, 12, "abaft") + _text(_LEFT + 38, 26, "abaft"),
        _rect(_LEFT + 100, 15, 12, "peer") + _text(_LEFT + 118, 26, "FastAPI + SQLAlchemy"),
    ]


def _engine(name: str, scenarios: dict[str, Any], y: int) -> list[str]:
    longest = max(side["rate"] for each in scenarios.values() for side in _sides(each).values())
    parts = [_text(16, y + 10, name, "title")]
    for number, figures in enumerate(scenarios.values()):
        top = y + 22 + number * _ROW
        parts.append(_text(16, top + 20, figures["title"]))
        for place, (side, measured) in enumerate(_sides(figures).items()):
            parts.append(_bar(top + place * 17, side, measured["rate"], longest))
        if "ratio" in figures:
            x = _WIDTH - 16
            parts.append(_text(x, top + 20, f"{figures['ratio']:.1f}×", "ratio", anchor="end"))
    return parts


def _sides(figures: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {side: figures[side] for side in ("abaft", "peer") if side in figures}


def _bar(y: int, side: str, rate: float, longest: float) -> str:
    width = max(2, round(_BAR * rate / longest))
    return _rect(_LEFT, y, width, side) + _text(_LEFT + width + 6, y + 11, f"{rate:,.0f}", "muted")


def _rect(x: int, y: int, width: int, kind: str) -> str:
    return f'<rect class="{kind}" x="{x}" y="{y}" width="{width}" height="13" rx="2"/>'


def _text(x: int, y: int, content: str, kind: str = "", anchor: str = "start") -> str:
    extra = f' class="{kind}"' if kind else ""
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}"{extra}>{escape(content)}</text>'
