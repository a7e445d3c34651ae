"""The frame of report.html: its style, its script, the template. One file, nothing loaded from
elsewhere; without JavaScript all of it can be read."""

from string import Template

STYLE = """
:root {
  color-scheme: light dark;
  --ground: #ffffff; --raised: #f6f7f9; --line: #d5d9e0; --text: #1b1f26; --soft: #596270;
  --link: #0a58ab; --focus: #0a58ab;
  --clean: #17692f; --clean-ground: #e6f4ea;
  --known: #0b5775; --known-ground: #e3f1f8;
  --unexpected: #a51c14; --unexpected-ground: #fde8e6;
  --unsupported: #6a5200; --unsupported-ground: #fdf3d0;
  --error: #7b1fa2; --error-ground: #f5e8fa;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #14171c; --raised: #1c2027; --line: #363c47; --text: #e4e7ec; --soft: #a3acba;
    --link: #7cb8ff; --focus: #7cb8ff;
    --clean: #7bd894; --clean-ground: #16301e;
    --known: #7cc8ea; --known-ground: #12303f;
    --unexpected: #ff9a92; --unexpected-ground: #43191a;
    --unsupported: #ecc94f; --unsupported-ground: #352c10;
    --error: #dba4f2; --error-ground: #37203f;
  }
}
* { box-sizing: border-box; }
html { scroll-padding-top: 4.5rem; }
body {
  margin: 0 auto; padding: 1.5rem 1.25rem 4rem; max-width: 68rem; background: var(--ground);
  color: var(--text); font: 16px/1.5 system-ui, sans-serif;
}
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0 0 .25rem; }
h2 { font-size: 1.2rem; margin: 2.25rem 0 .75rem; }
h3 { font-size: 1.05rem; margin: 0; font-family: ui-monospace, monospace; }
h4 { font-size: .95rem; margin: 1rem 0 .25rem; }
p { margin: .25rem 0; }
a { color: var(--link); }
a:focus-visible, summary:focus-visible, button:focus-visible, input:focus-visible,
[tabindex]:focus-visible { outline: 3px solid var(--focus); outline-offset: 2px; }
code, pre { font-family: ui-monospace, SFMono-Regular, Menlo, monospace; font-size: .86rem; }
.soft { color: var(--soft); }
.skip { position: absolute; left: -100rem; }
.skip:focus { position: static; }
.tiles { display: flex; flex-wrap: wrap; gap: .6rem; margin: 1rem 0; padding: 0; list-style: none; }
.tiles li { padding: .5rem .9rem; border-radius: .5rem; min-width: 8.5rem; }
.tiles b { display: block; font-size: 1.5rem; line-height: 1.2; }
.clean { color: var(--clean); background: var(--clean-ground); }
.known { color: var(--known); background: var(--known-ground); }
.unexpected { color: var(--unexpected); background: var(--unexpected-ground); }
.unsupported { color: var(--unsupported); background: var(--unsupported-ground); }
.error { color: var(--error); background: var(--error-ground); }
.none { color: var(--soft); background: var(--raised); }
dl.facts { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem;
  margin: .5rem 0; }
dl.facts dt { color: var(--soft); }
dl.facts dd { margin: 0; overflow-wrap: anywhere; }
.notice { border-left: 4px solid var(--unsupported); padding: .3rem .8rem;
  background: var(--unsupported-ground); color: var(--unsupported); }
main > ul { padding-left: 1.3rem; margin: 0; overflow-wrap: anywhere; }
.filter { position: sticky; top: 0; z-index: 1; display: flex; flex-wrap: wrap; gap: .5rem 1.25rem;
  align-items: center; padding: .6rem 0; background: var(--ground);
  border-bottom: 1px solid var(--line); }
.filter input[type=search] { font: inherit; padding: .3rem .6rem; min-width: 17rem; color: inherit;
  background: var(--raised); border: 1px solid var(--soft); border-radius: .35rem; }
section.scenario { margin: 1.1rem 0; padding: .9rem 1rem; background: var(--raised);
  border: 1px solid var(--line); border-left-width: 5px; border-radius: .5rem; }
section.scenario.is-unexpected { border-left-color: var(--unexpected); }
section.scenario.is-unsupported { border-left-color: var(--unsupported); }
section.scenario.is-error { border-left-color: var(--error); }
.title { display: flex; flex-wrap: wrap; gap: .1rem .9rem; align-items: baseline; }
.scroll { overflow-x: auto; }
table { border-collapse: separate; border-spacing: 0; }
caption { text-align: left; color: var(--soft); font-size: .9rem; padding: .3rem 0; }
th { text-align: left; font-weight: 600; }
.matrix { margin: .4rem 0; border-spacing: 3px; }
.matrix th { color: var(--soft); font-weight: 500; font-size: .9rem; padding: .1rem .6rem .1rem 0;
  white-space: nowrap; }
.matrix thead th { padding-left: .7rem; }
.matrix tbody td { padding: 0; border-radius: .3rem; min-width: 8.5rem; }
.matrix td a, .matrix td span { display: block; padding: .15rem .7rem; color: inherit;
  text-decoration: none; white-space: nowrap; }
.matrix td a:hover { text-decoration: underline; }
td.unexpected, td.error { font-weight: 700; }
details { border-top: 1px solid var(--line); }
details > summary { cursor: pointer; padding: .3rem .2rem; overflow-wrap: anywhere; }
details > summary .badge { display: inline-block; padding: 0 .5rem; border-radius: .3rem;
  font-size: .9rem; margin-right: .4rem; }
details > details { margin-left: 1.3rem; }
.inside { padding: .1rem .2rem 1rem 1.3rem; }
.outcomes { width: 100%; margin: .5rem 0; }
.outcomes th, .outcomes td { padding: .25rem .9rem .25rem 0; vertical-align: top;
  border-bottom: 1px solid var(--line); }
.outcomes th { color: var(--soft); font-size: .86rem; font-weight: 500; }
.outcomes tbody th { color: inherit; font-weight: 400; overflow-wrap: anywhere; max-width: 24rem; }
.outcomes .count { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.outcomes .grade { padding: 0 .5rem; border-radius: .3rem; font-size: .9rem; }
.bar { display: inline-block; height: .55rem; background: var(--soft); border-radius: 2px; }
pre { margin: .3rem 0; padding: .5rem .75rem; background: var(--ground); overflow-x: auto;
  border: 1px solid var(--line); border-radius: .35rem; white-space: pre-wrap;
  overflow-wrap: anywhere; }
.repro { display: flex; gap: .5rem; align-items: flex-start; }
.repro pre { flex: 1; margin: 0; }
button { font: inherit; font-size: .86rem; padding: .4rem .75rem; cursor: pointer; color: inherit;
  background: var(--ground); border: 1px solid var(--soft); border-radius: .35rem; }
[hidden] { display: none !important; }
@media print { .filter, button { display: none; } details > .inside { display: block; } }
"""

SCRIPT = """
(() => {
  const all = (query, root = document) => [...root.querySelectorAll(query)];
  const filter = document.querySelector('.filter');
  const words = document.getElementById('words');
  const only = document.getElementById('only');
  const shown = document.getElementById('shown');
  const apply = () => {
    const wanted = words.value.toLowerCase().split(/\\s+/).filter(Boolean);
    let count = 0;
    for (const section of all('section.scenario')) {
      const name = section.dataset.text;
      let some = false;
      for (const item of all('[data-item]', section)) {
        const text = name + ' ' + item.dataset.item;
        const fits = wanted.every(word => text.includes(word)) &&
          (!only.checked || item.hasAttribute('data-bad'));
        item.hidden = !fits;
        some = some || fits;
      }
      for (const list of all('.rest', section)) {
        list.hidden = !list.querySelector('[data-item]:not([hidden])');
      }
      section.hidden = !some;
      count += some;
    }
    shown.textContent = count + (count === 1 ? ' scenario' : ' scenarios');
  };
  const reveal = () => {
    const target = document.getElementById(location.hash.slice(1));
    if (!target || target.tagName !== 'DETAILS') return;
    if (target.hidden) { words.value = ''; only.checked = false; apply(); }
    for (let box = target; box; box = box.parentElement.closest('details')) box.open = true;
    target.scrollIntoView();
    target.querySelector('summary').focus({preventScroll: true});
  };
  filter.hidden = false;
  words.addEventListener('input', apply);
  only.addEventListener('change', apply);
  addEventListener('hashchange', reveal);
  addEventListener('click', event => {  // the same link twice makes no hashchange
    const link = event.target.closest('a[href^="#cell"]');
    if (link && link.hash === location.hash) reveal();
  });
  for (const box of all('.repro')) {
    const pre = box.querySelector('pre');
    const button = document.createElement('button');
    button.type = 'button';
    button.textContent = 'Copy';
    button.addEventListener('click', async () => {
      try {
        await navigator.clipboard.writeText(pre.textContent);
      } catch {  // a page opened from a file may not use the clipboard: copy a selection
        getSelection().selectAllChildren(pre);
        document.execCommand('copy');
      }
      button.textContent = 'Copied';
      setTimeout(() => { button.textContent = 'Copy'; }, 1500);
    });
    box.append(button);
  }
  apply();
  reveal();
})();
"""

PAGE = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; \
style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<title>$title</title>
<style>$style</style>
</head>
<body>
<a class="skip" href="#matrix">Skip to the matrix</a>
<header>
$header
</header>
<main>
$attention
<h2 id="matrix">Matrix</h2>
<div class="filter" role="search" hidden>
<input type="search" id="words" aria-label="Show only scenarios and cells with these words" \
placeholder="Filter: deadlock spawn 2cpu">
<label><input type="checkbox" id="only"> only what is not as expected</label>
<span id="shown" class="soft" role="status"></span>
</div>
$scenarios
</main>
<script>$script</script>
</body>
</html>
""")
"""Fields: title (text, escaped), header, attention, scenarios (HTML), style, script."""
