/**
 * The colour switch, copy buttons, keyboard access to wide code and tables, and the mark in the
 * table of contents.
 *
 * Loaded in <head> without defer: the chosen colours are set before the first paint. Pages read
 * fully without this file.
 */
(() => {
  "use strict";
  const root = document.documentElement;
  const KEY = "sitegen:colours";
  const STATES = ["auto", "light", "dark"];
  const NAMES = { auto: "as the system", light: "light", dark: "dark" };

  /** Storage throws where cookies are blocked; the switch then lasts for one page. */
  function stored() {
    try {
      return localStorage.getItem(KEY);
    } catch {
      return null;
    }
  }

  function setColours(state) {
    root.dataset.colours = STATES.includes(state) ? state : "auto";
  }

  setColours(stored() ?? root.dataset.colours);

  function startSwitch() {
    const button = document.querySelector(".colours");
    if (!(button instanceof HTMLElement)) return;
    const label = () => {
      const text = `Colours: ${NAMES[root.dataset.colours]}`;
      button.setAttribute("aria-label", text);
      button.title = text;
    };
    button.addEventListener("click", () => {
      setColours(STATES[(STATES.indexOf(root.dataset.colours) + 1) % STATES.length]);
      try {
        localStorage.setItem(KEY, root.dataset.colours);
      } catch {
        // Kept for this page only.
      }
      label();
    });
    addEventListener("storage", (event) => {
      if (event.key !== KEY) return;
      setColours(event.newValue);
      label();
    });
    label();
    button.hidden = false;
  }

  function startCopyButtons() {
    if (!navigator.clipboard) return;
    for (const pre of document.querySelectorAll(".prose pre")) {
      const holder = pre.closest(".highlight");
      if (!holder) continue;
      const button = document.createElement("button");
      button.type = "button";
      button.className = "copy-code";
      button.textContent = "Copy";
      button.addEventListener("click", async () => {
        try {
          await navigator.clipboard.writeText(pre.textContent ?? "");
          button.textContent = "Copied";
        } catch {
          button.textContent = "Not allowed";
        }
        setTimeout(() => (button.textContent = "Copy"), 1600);
      });
      holder.append(button);
    }
  }

  /** What scrolls sideways has to be reachable by keyboard; what does not should be no stop. */
  function startScrollStops() {
    const observer = new ResizeObserver((entries) => {
      for (const { target } of entries) {
        if (target.scrollWidth > target.clientWidth) target.tabIndex = 0;
        else target.removeAttribute("tabindex");
      }
    });
    for (const block of document.querySelectorAll(".prose :is(pre, table)")) observer.observe(block);
  }

  function nameCheckboxes() {
    for (const box of document.querySelectorAll(".task-list-item input")) {
      box.setAttribute("aria-label", box.checked ? "done" : "to do");
    }
  }

  function startContentsMark() {
    const links = new Map();
    for (const link of document.querySelectorAll(".toc a[href^='#']")) {
      const heading = document.getElementById(decodeURIComponent(link.hash.slice(1)));
      if (heading) links.set(heading, link);
    }
    if (!links.size) return;
    const headings = [...links.keys()];
    const mark = () => {
      const limit = innerHeight * 0.3;
      const current = headings.findLast((heading) => heading.getBoundingClientRect().top < limit);
      for (const [heading, link] of links) {
        if (heading === current) link.setAttribute("aria-current", "true");
        else link.removeAttribute("aria-current");
      }
    };
    let waiting = false;
    addEventListener(
      "scroll",
      () => {
        if (waiting) return;
        waiting = true;
        requestAnimationFrame(() => {
          waiting = false;
          mark();
        });
      },
      { passive: true },
    );
    mark();
  }

  document.addEventListener("DOMContentLoaded", () => {
    startSwitch();
    startCopyButtons();
    startScrollStops();
    nameCheckboxes();
    startContentsMark();
  });
})();
