/** Light and dark after the browser's wish; below 44 rem tables become lists. */
export const stylesheet = `
:root {
  color-scheme: light dark;
  --ground: #f6f7f8; --card: #fff; --line: #dfe3e6; --text: #1a2126; --soft: #5a6670; --accent: #0b6e6e; --on-accent: #fff;
  --good: #176b3a; --good-ground: #e3f3e9; --bad: #a8271d; --bad-ground: #fbe9e7; --wait: #825500; --wait-ground: #fdf1d8; --plain-ground: #eceff1;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #12171b; --card: #1a2126; --line: #303a42; --text: #e6eaed; --soft: #9aa7b1; --accent: #4fc1bd; --on-accent: #08201f;
    --good: #7ed6a0; --good-ground: #17352a; --bad: #ff9d92; --bad-ground: #43211f; --wait: #f0c168; --wait-ground: #3c301a; --plain-ground: #2a333a;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--text); font: 15px/1.5 system-ui, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif; }
main { max-width: 76rem; margin: 0 auto; padding: 1.5rem 1.25rem 4rem; }
h1 { font-size: 1.35rem; margin: 0 0 1rem; } h2 { font-size: 1.05rem; margin: 0; }
section { margin-bottom: 2.25rem; }
a { color: var(--accent); } ul { list-style: none; margin: 0; padding: 0; }
code, .mono { font: .86em/1.5 ui-monospace, "SFMono-Regular", "DejaVu Sans Mono", monospace; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }

.bar { display: flex; flex-wrap: wrap; align-items: center; gap: .5rem 1.5rem; padding: .6rem 1.25rem; background: var(--card); border-bottom: 1px solid var(--line); }
.brand { display: flex; align-items: center; gap: .5rem; font-weight: 650; color: inherit; text-decoration: none; }
.bar nav { display: flex; gap: 1.1rem; flex: 1; } .bar nav a { text-decoration: none; color: var(--soft); padding: .2rem 0; border-bottom: 2px solid transparent; }
.bar nav a[aria-current], .bar nav a:hover { color: var(--text); border-color: var(--accent); }
.who { color: var(--soft); } .who b { color: var(--text); font-weight: 600; }

button { font: inherit; font-weight: 550; padding: .3rem .8rem; border-radius: 6px; border: 1px solid var(--line); background: var(--card); color: var(--accent); cursor: pointer; white-space: nowrap; }
button:hover { border-color: var(--accent); } button.quiet { border-color: transparent; color: var(--soft); }
button.primary { background: var(--accent); border-color: var(--accent); color: var(--on-accent); padding: .5rem 1rem; }
form { margin: 0; }

.notice { margin: 0 0 1.25rem; padding: .65rem .9rem; border-radius: 8px; border-left: 4px solid; overflow-wrap: anywhere; }
.notice.done { background: var(--good-ground); color: var(--good); } .notice.failed { background: var(--bad-ground); color: var(--bad); }
.calm { color: var(--soft); margin: 0 0 1.25rem; }
.attention { background: var(--bad-ground); border-radius: 10px; padding: .9rem 1.1rem; margin-bottom: 1.25rem; }
.attention h2 { color: var(--bad); margin-bottom: .4rem; } .attention li { padding: .35rem 0; overflow-wrap: anywhere; }
.dot { display: inline-block; width: .6rem; height: .6rem; border-radius: 50%; margin-right: .55rem; background: var(--soft); }
.dot.ready { background: #2a9d5c; } .dot.paused { background: #d0453a; } .dot.preparing { background: #d99a2b; }

.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: .75rem; margin: 0 0 .75rem; }
.tile, .card { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: .8rem 1rem; }
.tile dt { color: var(--soft); font-weight: 550; } .tile dd { margin: 0; font-size: 1.75rem; line-height: 1.25; font-weight: 600; font-variant-numeric: tabular-nums; }
.tile .what { color: var(--soft); font-size: .85rem; line-height: 1.5; font-weight: 400; } .tile.bad dd:not(.what) { color: var(--bad); }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(17rem, 1fr)); gap: .75rem; }
.card h2 { margin-bottom: .4rem; font-size: .95rem; color: var(--soft); font-weight: 550; } .states li { padding: .15rem 0; overflow-wrap: anywhere; }
.since, .registry, .why, .note, .empty { color: var(--soft); font-size: .88rem; }
.why, .next { display: block; overflow-wrap: anywhere; } .why { white-space: pre-line; }

.head { display: flex; flex-wrap: wrap; align-items: center; justify-content: space-between; gap: .5rem; margin-bottom: .6rem; min-height: 2.1rem; }
#finished h2 { margin-bottom: .6rem; }
.empty { background: var(--card); border: 1px dashed var(--line); border-radius: 10px; padding: 1.1rem; margin: 0; }
.filters { display: flex; flex-wrap: wrap; gap: .4rem; margin-bottom: .7rem; }
.filters a { padding: .12rem .65rem; border: 1px solid var(--line); border-radius: 99px; text-decoration: none; color: var(--text); background: var(--card); font-size: .88rem; }
.filters a span { color: var(--soft); } .filters a[aria-current] { border-color: var(--accent); box-shadow: inset 0 0 0 1px var(--accent); }
.pager { display: flex; gap: 1rem; align-items: baseline; justify-content: center; margin-top: .8rem; color: var(--soft); }

table { width: 100%; border-collapse: separate; border-spacing: 0; background: var(--card); border: 1px solid var(--line); border-radius: 10px; }
th { text-align: left; font-weight: 550; color: var(--soft); font-size: .85rem; } th, td { padding: .6rem .9rem; vertical-align: top; }
td { border-top: 1px solid var(--line); } td .since, td .registry { display: block; }
time, td[data-label="Failed"], td[data-label="Took"], td[data-label="Because of"] { white-space: nowrap; }
td:first-child { min-width: 13rem; max-width: 26rem; } .image { overflow-wrap: break-word; } .image b { font-weight: 600; } .cause { color: var(--bad); font-weight: 600; } .next { margin-top: .25rem; } .act { text-align: right; }
.mark { display: inline-block; padding: .05rem .6rem; border-radius: 99px; font-weight: 550; font-size: .88rem; background: var(--plain-ground); margin: 0 .3rem .2rem 0; white-space: nowrap; } .mark small { font-weight: 400; }
.mark.good { background: var(--good-ground); color: var(--good); } .mark.bad { background: var(--bad-ground); color: var(--bad); } .mark.wait { background: var(--wait-ground); color: var(--wait); }
.hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }

.login { max-width: 22rem; margin: 12vh auto 0; background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 1.75rem; }
.login h1 { display: flex; align-items: center; gap: .6rem; margin: 0; } .login > p { color: var(--soft); margin: .2rem 0 1.2rem; } .login > p.notice { color: var(--bad); margin-bottom: 1rem; }
.login label { display: block; font-weight: 550; margin-bottom: .9rem; }
.login input { display: block; width: 100%; font: inherit; padding: .5rem .65rem; margin-top: .25rem; border: 1px solid var(--line); border-radius: 6px; background: var(--ground); color: var(--text); }
.login .primary { width: 100%; margin-top: .3rem; }

@media (max-width: 44rem) {
  thead { display: none; } table, tbody, tr, td { display: block; }
  tr { padding: .7rem .9rem; border-top: 1px solid var(--line); } tr:first-child { border-top: 0; }
  td { border: 0; padding: .15rem 0; } td:empty { display: none; } td:first-child { max-width: none; } .image { overflow-wrap: anywhere; } td.act { text-align: left; padding-top: .5rem; }
  td[data-label="Digest"]::before, td[data-label="Because of"]::before, td[data-label="Took"]::before { content: attr(data-label) " "; color: var(--soft); }
  .bar { column-gap: .6rem; } .bar nav { order: 1; flex-basis: 100%; } .who { margin-left: auto; } .bar button { padding: .3rem; }
  .tile:last-child { grid-column: 1 / -1; }
}
`;
