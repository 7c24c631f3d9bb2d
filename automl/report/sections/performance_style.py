"""CSS rules of the section Performance."""

from __future__ import annotations

RULES = """
.performance .grid2 { margin-bottom: 1rem;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 19rem), 1fr)); }
.lab { display: grid; grid-template-columns: minmax(0, 1.25fr) minmax(0, 1fr); gap: 1rem 1.6rem; }
.lab table { table-layout: auto; }
table.truth td, table.truth th { white-space: normal; overflow-wrap: anywhere; }
table.truth td { position: relative; text-align: center; width: 32%; padding: .7rem .4rem;
  border: 3px solid var(--card); isolation: isolate; }
table.truth td::before { content: ""; position: absolute; inset: 0; z-index: -1;
  border-radius: 8px; background: var(--tone); opacity: calc(.1 + .4 * var(--a)); }
table.truth b { display: block; font-size: 1.15rem; font-weight: 600; }
table.truth small { display: block; color: var(--ink); opacity: .8; font-size: .76rem; }
table.truth th { border: 0; } table.truth tbody th { text-align: left; color: var(--ink);
  position: static; }
table.truth thead th { text-align: center; }
.controls { display: grid; gap: .7rem; margin: .4rem 0 1.1rem; }
.controls[hidden] { display: none; }
.controls label { font-size: .9rem; } .controls output { font-weight: 650;
  font-variant-numeric: tabular-nums; }
.controls input[type=range] { width: 100%; accent-color: var(--c0); margin: .35rem 0 0;
  min-height: 1.6rem; }
.controls input[type=number] { width: 6.5rem; font: inherit; padding: .25rem .45rem;
  border-radius: 8px; border: 1px solid var(--soft); background: var(--paper);
  color: var(--ink); }
.costs { display: flex; flex-wrap: wrap; gap: .5rem 1.4rem; align-items: center; }
.controls button { font: inherit; font-size: .86rem; padding: .3rem .8rem; border-radius: 99px;
  border: 1px solid var(--c0); background: transparent; color: var(--c0); cursor: pointer; }
.controls button:hover { background: var(--tint); }
.controls :focus-visible { outline: 2px solid var(--c0); outline-offset: 2px; }
.verdict { margin: 0; font-size: .9rem; }
.lab dl { display: grid; grid-template-columns: 1fr auto; gap: .3rem 1rem; margin: 0;
  font-size: .92rem; align-content: start; }
.lab dt { color: var(--soft); } .lab dd { margin: 0; font-weight: 600;
  font-variant-numeric: tabular-nums; text-align: right; }
details.more { margin-top: .9rem; font-size: .9rem; }
details.more summary { cursor: pointer; color: var(--c0); }
.tall .wide { max-height: 30rem; overflow: auto; }
.tall thead th { position: sticky; top: 0; background: var(--card); z-index: 1; }
.tall thead th:first-child { z-index: 2; }
.who { border-collapse: separate; border-spacing: 1px; width: auto; font-size: .72rem; }
.who td { position: relative; min-width: 1.9rem; height: 1.7rem; padding: 0 .15rem;
  text-align: center; border: 0; isolation: isolate; }
.who td:first-child { position: relative; }
.who td[style]::before { content: ""; position: absolute; inset: 0; z-index: -1;
  border-radius: 3px; background: var(--c1); opacity: var(--a); }
.who td.hit[style]::before { background: var(--c0); }
@media (prefers-color-scheme: dark) { .who td[style]::before { opacity: calc(.68 * var(--a)); } }
.who tbody th { position: sticky; left: 0; z-index: 1; background: var(--card); border: 0;
  text-align: left; color: var(--ink); font-size: .76rem; max-width: 11rem; overflow: hidden;
  text-overflow: ellipsis; padding: 0 .6rem 0 0; }
.who thead th { text-align: center; border: 0; padding: .2rem 0 .4rem; vertical-align: bottom;
  font-size: .76rem; color: var(--ink); }
.who thead span { writing-mode: vertical-rl; transform: rotate(180deg); max-height: 10.5rem;
  overflow: hidden; text-overflow: ellipsis; text-align: left; display: inline-block; }
.who.few { font-size: .86rem; border-spacing: 2px; }
.who.few td { min-width: 4.2rem; height: 2.6rem; }
.who.few thead span { writing-mode: initial; transform: none; max-width: 6rem; }
.who thead th.corner { text-align: left; color: var(--soft); font-weight: 400; font-size: .7rem; }
@media (max-width: 44rem) { .who tbody th { max-width: 6.5rem; }
  .lab { grid-template-columns: minmax(0, 1fr); } }
@media print { .tall .wide { max-height: none; } .controls { display: none; } }
"""
