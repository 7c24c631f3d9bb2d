"""CSS rules that sections share."""

from __future__ import annotations

STYLE = """
nav { display: flex; flex-wrap: wrap; gap: .3rem 1.1rem; margin: 0 0 1.6rem; font-size: .92rem; }
nav a { color: var(--c0); text-decoration: none; padding: .2rem 0; }
nav a:hover, nav a:focus-visible { text-decoration: underline; }
section { margin: 0 0 2.8rem; scroll-margin-top: 1rem; }
h2.part { font-size: 1.3rem; margin: 0 0 .9rem; }
.grid2 { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 19rem), 1fr));
  gap: .9rem; }
.grid2 .card { margin: 0; min-width: 0; }
.card h3 { overflow-wrap: anywhere; }
.badge { align-self: start; justify-self: start; font-size: .76rem; padding: .12rem .55rem;
  border-radius: 99px; border: 1px solid var(--line); color: var(--soft); white-space: nowrap; }
.badge.warn { color: var(--bad); border-color: currentColor; font-weight: 600; }
code { font-size: .82rem; background: var(--tint); border-radius: 4px; padding: 0 .3em;
  overflow-wrap: anywhere; white-space: pre-wrap; }
svg.small { max-width: 26rem; }
svg.small text { font-size: 12px; } svg.small .tick { font-size: 11px; }
svg .end { text-anchor: end; } svg .none { fill: var(--line); opacity: .55; }
td.left, th.left { text-align: left; }
"""
