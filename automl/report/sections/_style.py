"""CSS rules that sections share."""

from __future__ import annotations

STYLE = """
nav { display: flex; gap: 0 1.1rem; margin: -.6rem 0 1rem; font-size: .92rem; overflow-x: auto; }
nav a { color: var(--c0); text-decoration: none; padding: .3rem 0;
  white-space: nowrap; }
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
svg.mid { max-width: 44rem; } svg.bars { max-width: 27rem; } svg.bars text { font-size: 12.5px; }
svg .end { text-anchor: end; } svg .none { fill: var(--line); opacity: .55; }
svg.matrix { max-width: none; } svg.matrix text { font-size: 12px; }
svg.matrix .tick { font-size: 11px; }
.card > details { margin-top: .5rem; } .card > details > summary { cursor: pointer;
  color: var(--c0); padding: .4rem 0; font-size: .92rem; }
td.left, th.left { text-align: left; }
main { padding-top: 1.6rem; } h1 { margin-bottom: 1rem; }
@media (max-width: 34rem) { main { padding-top: 1rem; } h1 { margin-bottom: .8rem; }
  svg.small text { font-size: 13px; } svg.small .tick { font-size: 12px; } }
@media print { nav { display: none; } details > *:not(summary) { display: block; }
  .wide { overflow: visible; } section { break-inside: auto; } }
"""
