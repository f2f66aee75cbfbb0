/**
 * The look of the app blocks, as one constructed style sheet: a strict Content-Security-Policy
 * allows it, and every block of a page shares it.
 *
 * A site changes it with the --sitegen-* variables below, or with ::part(). Text of the model is
 * set in another typeface than everything people wrote, so that the two are never confused.
 */

export const styles = new CSSStyleSheet();

styles.replaceSync(/* css */ `
:host {
  --paper: var(--sitegen-paper, light-dark(#ffffff, #161a17));
  --surface: var(--sitegen-surface, light-dark(#f3f4ef, #202521));
  --line: var(--sitegen-line, light-dark(#dcded6, #313831));
  --line-strong: var(--sitegen-line-strong, light-dark(#858b81, #717b71));
  --ink: var(--sitegen-ink, light-dark(#1a1d1a, #e3e7e1));
  --muted: var(--sitegen-muted, light-dark(#5a6058, #9ca59c));
  --accent: var(--sitegen-accent, light-dark(#0a6b4f, #6fd3a9));
  --on-accent: var(--sitegen-on-accent, light-dark(#ffffff, #04251a));
  --warning: var(--sitegen-warning, light-dark(#8a5200, #eab562));
  --danger: var(--sitegen-danger, light-dark(#b3261e, #ff9d91));
  --font: var(--sitegen-font, system-ui, sans-serif);
  --font-model: var(--sitegen-font-model, "Iowan Old Style", Charter, "Sitka Text", Georgia, serif);
  --radius: var(--sitegen-radius, 0.625rem);
  --inset: clamp(1rem, 0.7rem + 1.4vw, 1.5rem);
  display: block;
  color: var(--ink);
  font: 1rem/1.55 var(--font);
}
*, ::before, ::after { box-sizing: border-box; }
[hidden] { display: none !important; }
p, dl, dd { margin: 0; }
button, input, select, textarea { font: inherit; color: inherit; margin: 0; }
button { cursor: pointer; touch-action: manipulation; }
svg { flex: none; inline-size: 1.15em; block-size: 1.15em; fill: none; stroke: currentColor; stroke-width: 1.9; stroke-linecap: round; stroke-linejoin: round; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
.off-screen { position: absolute; inline-size: 1px; block-size: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }

.block { position: relative; border: 1px solid var(--line); border-radius: calc(var(--radius) * 1.4); background: var(--paper); }
.head { display: flex; align-items: center; gap: 0.75rem; min-block-size: 3.25rem; padding-inline: var(--inset) 0.5rem; }
.title { margin-inline-end: auto; font-weight: 650; }

/* buttons */
.primary, .secondary {
  display: inline-flex; align-items: center; justify-content: center; gap: 0.5em;
  min-block-size: 2.75rem; padding: 0.45rem 1.15rem;
  border: 1px solid transparent; border-radius: var(--radius);
  font-weight: 600; line-height: 1.3; text-align: center;
}
.primary { background: var(--accent); color: var(--on-accent); }
.secondary, .primary.is-stop { background: none; border-color: var(--line-strong); color: var(--ink); }
.primary:active, .secondary:active, .send:active { transform: translateY(1px); }
.action {
  display: inline-flex; align-items: center; gap: 0.4em;
  min-block-size: 2.25rem; padding: 0.25rem 0.6rem; border: 0; border-radius: 6px;
  background: none; color: var(--muted); font-size: 0.8125rem; white-space: nowrap;
}
@media (pointer: coarse) { .action, .is-writing > .actions { min-block-size: 2.75rem; min-inline-size: 2.75rem; } }

/* conversation */
.transcript { position: relative; margin-block-end: 0.5rem; }
.transcript:has(.log:empty) { margin: 0; }
.log {
  max-block-size: min(62vh, 36rem); overflow-y: auto;
  padding: 0.25rem var(--inset) 1rem;
  scrollbar-width: thin; scrollbar-color: var(--line-strong) transparent;
}
.log:empty { display: none; }
.log:focus-visible { outline-offset: -3px; border-radius: var(--radius); }
.message + .message { margin-block-start: 1.1rem; }
.text > p { white-space: pre-wrap; overflow-wrap: anywhere; }
.text > p + p { margin-block-start: 0.8em; }
.assistant > .text { font: 1.09em/1.62 var(--font-model); }
.user { display: flex; flex-direction: row-reverse; align-items: center; gap: 0.25rem; }
.user > .text { max-inline-size: min(100% - 5rem, 34rem); padding: 0.55rem 0.95rem; border-radius: var(--radius); border-end-end-radius: 2px; background: var(--surface); }
.actions { display: flex; flex-wrap: wrap; gap: 0.1rem; }
.assistant > .actions { margin-inline: -0.6rem; }
.actions:empty { display: none; }
/* Kept free while the answer grows, so that nothing jumps when it ends. */
.is-writing > .actions { display: flex; min-block-size: 2.25rem; }
.memory { margin-block: 1.1rem; color: var(--muted); font-size: 0.875rem; text-align: center; }
.note { color: var(--muted); font-size: 0.875rem; margin-block-start: 0.35rem; }
.jump {
  position: absolute; inset-block-end: 0.75rem; inset-inline: 0; margin-inline: auto; inline-size: fit-content;
  display: flex; align-items: center; gap: 0.4em; min-block-size: 2.25rem; padding: 0.2rem 0.9rem;
  border: 1px solid var(--line-strong); border-radius: 99px; background: var(--paper); font-size: 0.8125rem;
  box-shadow: 0 4px 16px rgb(0 0 0 / 0.14);
}

/* the caret: where the model writes */
.is-writing .text > p:last-child::after, .is-thinking > .text:empty::after, .caret::after {
  content: ""; display: inline-block; inline-size: 0.14em; block-size: 1.05em; margin-inline: 0.12em -0.26em;
  border-radius: 1px; background: var(--accent); vertical-align: -0.16em;
}

/* examples */
.examples { display: flex; flex-wrap: wrap; gap: 0.5rem; padding: 0.25rem var(--inset) 1rem; }
.examples:empty { display: none; }
.chip {
  min-block-size: 2.5rem; padding: 0.4rem 0.95rem; border: 1px solid var(--line); border-radius: 99px;
  background: none; font-size: 0.9375rem; line-height: 1.35; text-align: start;
}
@media (pointer: coarse) { .chip { min-block-size: 2.75rem; } }

/* consent, progress, problem */
.gate { padding-inline: var(--inset); }
.gate:empty { display: none; }
.card { display: flex; flex-wrap: wrap; align-items: center; gap: 0.9rem 1.5rem; padding-block: 1rem; border-block-start: 1px solid var(--line); }
.card-text { flex: 1 1 18rem; }
.card-title { font-weight: 650; font-variant-numeric: tabular-nums; }
.facts { color: var(--muted); font-size: 0.875rem; line-height: 1.5; margin-block-start: 0.15rem; font-variant-numeric: tabular-nums; }
.caution { color: var(--warning); font-size: 0.875rem; font-weight: 600; margin-block-start: 0.3rem; }
.problem .card-title { color: var(--danger); }
progress {
  appearance: none; display: block; inline-size: 100%; block-size: 6px; margin-block: 0.55rem 0.4rem;
  border: 0; border-radius: 3px; overflow: hidden; background: var(--line); color: var(--accent);
}
progress::-webkit-progress-bar { background: var(--line); }
progress::-webkit-progress-value { background: var(--accent); border-radius: 3px; }
progress::-moz-progress-bar { background: var(--accent); border-radius: 3px; }
progress:indeterminate {
  background: linear-gradient(90deg, transparent 25%, var(--accent) 50%, transparent 75%) 0 / 200% 100%, var(--line);
}
progress:indeterminate::-webkit-progress-bar { background: transparent; }
progress:indeterminate::-moz-progress-bar { background: transparent; }

/* These texts are English on a page of any direction. */
:is(.card, .details) :is(p, dd), .note { unicode-bidi: plaintext; text-align: match-parent; }

/* where people write */
.composer { display: flex; align-items: end; gap: 0.5rem; margin: 0 0.5rem; padding: 0.35rem; padding-inline-start: calc(var(--inset) - 0.5rem); border: 1px solid var(--line-strong); border-radius: var(--radius); }
.composer:focus-within { border-color: var(--accent); outline: 1px solid var(--accent); }
textarea { display: block; inline-size: 100%; field-sizing: content; border: 0; background: none; resize: none; }
.composer textarea { min-block-size: 2.75rem; max-block-size: 12rem; padding: 0.62rem 0; overflow-y: auto; }
.composer textarea:focus { outline: none; }
::placeholder { color: var(--muted); opacity: 1; }
.send {
  flex: none; display: grid; place-items: center; inline-size: 2.75rem; block-size: 2.75rem; padding: 0;
  border: 1px solid transparent; border-radius: calc(var(--radius) - 2px); background: var(--accent); color: var(--on-accent);
}
.send.is-stop { background: none; border-color: var(--line-strong); color: var(--ink); }
.is-stop svg { fill: currentColor; stroke: none; }

/* a text that is continued */
.sheet { display: grid; margin-inline: var(--inset); border-block: 1px solid transparent; }
.sheet > * {
  grid-area: 1 / 1; min-block-size: 8rem; padding: 0.25rem 0 1rem; margin: 0; font: 1.16rem/1.65 var(--font-model);
  white-space: pre-wrap; overflow-wrap: anywhere; letter-spacing: 0; tab-size: 4;
}
/* iOS insets the text of every text area by 3 px. */
@supports (-webkit-touch-callout: none) { .layer { padding-inline: 3px; } }
.sheet textarea { position: relative; overflow: hidden; }
.sheet textarea:focus { outline: none; }
.content:has(.sheet textarea:focus-visible) .sheet { border-block-end-color: var(--accent); }
.layer { color: transparent; pointer-events: none; user-select: none; }
.layer mark { color: transparent; background: color-mix(in oklab, var(--accent) 15%, transparent); border-radius: 2px; box-decoration-break: clone; -webkit-box-decoration-break: clone; }
.content > .note { padding-inline: var(--inset); padding-block-end: 0.75rem; }
.tools { display: flex; flex-wrap: wrap; align-items: center; gap: 0.4rem; padding: 0.75rem var(--inset); }
.tools > .primary { margin-inline-end: auto; }

/* a form */
.fields { display: grid; gap: 1rem; padding: 0.25rem var(--inset) 1rem; }
.field { display: grid; gap: 0.3rem; }
.field label { font-size: 0.9375rem; font-weight: 600; }
.field label span { color: var(--muted); font-weight: 400; }
.field :is(input:where(:not([type="checkbox"])), select, textarea) {
  inline-size: 100%; min-block-size: 2.75rem; padding: 0.5rem 0.8rem;
  border: 1px solid var(--line-strong); border-radius: calc(var(--radius) - 2px); background: var(--paper);
}
.field textarea { min-block-size: 6rem; }
.field [type="number"] { max-inline-size: 10rem; }
.field select { inline-size: fit-content; min-inline-size: 12rem; max-inline-size: 100%; }
.field :is(input, select, textarea):focus-visible { outline-offset: 0; border-color: var(--accent); }
.field [aria-invalid] { border-color: var(--danger); }
.field.checkbox { grid-template-columns: auto 1fr; align-items: center; column-gap: 0.7rem; min-block-size: 2.75rem; }
.field.checkbox label { font-weight: 400; }
.field input[type="checkbox"] { inline-size: 1.3rem; block-size: 1.3rem; accent-color: var(--accent); }
.field-problem { grid-column: 1 / -1; color: var(--danger); font-size: 0.875rem; }
.output { padding: 1.15rem var(--inset) 0.5rem; border-block-start: 1px solid var(--line); }

/* details */
.details { padding-inline: var(--inset); font-size: 0.8125rem; color: var(--muted); }
.details summary { inline-size: fit-content; min-block-size: 2.75rem; align-content: center; padding-block: 0.7rem; line-height: 1.3; cursor: pointer; font-variant-numeric: tabular-nums; }
.details > p { max-inline-size: 60ch; padding-block-end: 0.75rem; }
.details dl { display: grid; gap: 0.3rem; padding-block-end: 0.75rem; }
.details dl > div { display: grid; grid-template-columns: 7rem 1fr; gap: 0.75rem; }
.details dd { color: var(--ink); font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }

/* Touch screens would keep these after a tap. */
@media (hover: hover) {
  .primary:not(.is-stop):hover { background: color-mix(in oklab, var(--accent) 86%, var(--ink)); }
  .secondary:hover, .is-stop:hover { background: var(--surface); }
  .action:hover { background: var(--surface); color: var(--ink); }
  .chip:hover { border-color: var(--accent); color: var(--accent); }
  .send:not(.is-stop):hover { background: color-mix(in oklab, var(--accent) 86%, var(--ink)); }
  .details summary:hover { color: var(--ink); }
}

@keyframes blink { 50% { opacity: 0; } }
@keyframes slide { from { background-position: 150% 0, 0; } to { background-position: -50% 0, 0; } }
@media (prefers-reduced-motion: no-preference) {
  .is-thinking > .text:empty::after, .caret::after { animation: blink 1.1s steps(1) infinite; }
  progress:indeterminate { animation: slide 1.6s linear infinite; }
}
@media (forced-colors: active) {
  .primary, .send { border-color: ButtonText; }
  .layer mark { background: Mark; }
}
@media print {
  .block { border-color: transparent; }
  .gate, .composer, .examples, .tools, .actions, .jump, .details, .head .action { display: none !important; }
  .log { max-block-size: none; overflow: visible; }
  .user > .text { border: 1px solid var(--line); }
}
`);
