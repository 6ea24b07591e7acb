/* Deeds of the fragments (web/fragments.py), selections, the walk with the arrow keys, the replay of
   a trajectory: what must not wait for the server. */
"use strict";
(() => {
  const tell = (facts) => { if (typeof emitEvent === "function") emitEvent("sightgrid-deed", facts); };
  const inField = (element) => element instanceof Element &&
    element.closest("input:not([type=checkbox]):not([type=range]), textarea, select, [contenteditable], .q-dialog");

  // deeds
  addEventListener("click", (event) => {
    const target = event.target instanceof Element && event.target.closest("[data-act]");
    if (!target) return;
    if (target.matches(".sighting")) { choose(target); return; }
    tell({ ...target.dataset });
  });

  // what is drawn as a button is pressed like one
  addEventListener("keydown", (event) => {
    const target = event.target;
    if ((event.key === "Enter" || event.key === " ") && target instanceof SVGElement && target.matches("[data-act]")) {
      event.preventDefault();
      tell({ ...target.dataset });
    }
  });

  // sightings: one is chosen; the arrow keys go on from there
  let asked = 0;
  const choose = (card, { soon = false } = {}) => {
    document.querySelectorAll(".sighting[aria-current]").forEach((one) => one.removeAttribute("aria-current"));
    card.setAttribute("aria-current", "true");
    card.closest(".ledger-two")?.setAttribute("data-chosen", "");
    card.focus({ preventScroll: true });
    card.scrollIntoView({ block: "nearest" });
    clearTimeout(asked);
    asked = setTimeout(() => tell({ ...card.dataset }), soon ? 140 : 0);
  };
  const walk = (step) => {
    const cards = [...document.querySelectorAll(".sighting")];
    if (!cards.length) return false;
    const here = cards.findIndex((card) => card.hasAttribute("aria-current"));
    const next = here < 0 ? 0 : here + step;
    if (next >= cards.length) { tell({ act: "older" }); return true; }
    if (next >= 0) choose(cards[next], { soon: true });
    return true;
  };
  const row = (step) => {
    const cards = [...document.querySelectorAll(".sighting")];
    const here = cards.findIndex((card) => card.hasAttribute("aria-current"));
    if (here < 0) return walk(step);
    const from = cards[here].getBoundingClientRect();
    const beyond = cards.slice(step > 0 ? here + 1 : 0, step > 0 ? undefined : here)
      .map((card) => [card, card.getBoundingClientRect()])
      .filter(([, box]) => step > 0 ? box.top > from.top + 4 : box.top < from.top - 4);
    if (!beyond.length) return walk(step);
    const line = step > 0 ? Math.min(...beyond.map(([, box]) => box.top)) : Math.max(...beyond.map(([, box]) => box.top));
    const near = beyond.filter(([, box]) => Math.abs(box.top - line) < 4)
      .sort((a, b) => Math.abs(a[1].left - from.left) - Math.abs(b[1].left - from.left));
    choose(near[0][0], { soon: true });
    return true;
  };
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || inField(event.target)) return;
    if (event.target instanceof HTMLInputElement && event.target.type === "range") return;
    if (!document.querySelector(".sightings")) return;
    const steps = { ArrowRight: () => walk(1), ArrowLeft: () => walk(-1), ArrowDown: () => row(1), ArrowUp: () => row(-1) };
    if (steps[event.key] && steps[event.key]()) event.preventDefault();
  });

  // identities: what is picked is told together; a range with shift
  let lastPick = null;
  const picked = () => [...document.querySelectorAll("[data-pick]:checked")].map((box) => box.dataset.pick);
  const tellPicked = () => {
    document.querySelectorAll("[data-card]").forEach((card) => {
      const box = card.querySelector("[data-pick]");
      card.toggleAttribute("data-picked", Boolean(box && box.checked));
    });
    tell({ act: "pick", serials: picked().slice(0, 60).join(" ") });
  };
  addEventListener("click", (event) => {
    const box = event.target instanceof Element && event.target.closest("input[data-pick]");
    if (!box) return;
    if (event.shiftKey && lastPick && lastPick.isConnected) {
      const all = [...document.querySelectorAll("input[data-pick]")];
      const [from, to] = [all.indexOf(lastPick), all.indexOf(box)].sort((a, b) => a - b);
      all.slice(from, to + 1).forEach((one) => { one.checked = box.checked; });
    }
    lastPick = box;
    tellPicked();
  });
  window.sightgridClearPicks = () => {
    document.querySelectorAll("input[data-pick]:checked").forEach((box) => { box.checked = false; });
    tellPicked();
  };
  addEventListener("change", (event) => {
    const box = event.target instanceof Element && event.target.closest("input[data-group]");
    if (!box) return;
    const all = [...box.closest(".groups").querySelectorAll("input[data-group]:checked")];
    tell({ act: "groups", groups: all.map((one) => one.dataset.group).join(" ") });
  });

  // a trajectory's replay: everything with data-from is shown once the time has come
  const show = (stage, moment) => {
    stage.querySelectorAll("[data-from]").forEach((part) => {
      const from = Number(part.dataset.from), until = Number(part.dataset.until);
      part.classList.toggle("to-come", from > moment);
      part.classList.toggle("now", from <= moment && moment <= until + 5);
    });
    const clock = stage.querySelector("[data-clock]");
    if (clock) {
      const zone = stage.dataset.zone || "UTC";
      clock.textContent = new Date(moment * 1000).toLocaleString("en-GB", { timeZone: zone, day: "numeric",
        month: "short", hour: "2-digit", minute: "2-digit", second: "2-digit" });
    }
    const line = stage.querySelector("[data-now-line]");
    if (line) {
      const first = Number(stage.dataset.first), last = Number(stage.dataset.last);
      line.style.left = `${100 * (moment - first) / Math.max(last - first, 1e-3)}%`;
    }
  };
  addEventListener("input", (event) => {
    const slider = event.target instanceof Element && event.target.closest("[data-replay]");
    if (slider) show(slider.closest("[data-stage]"), Number(slider.value));
  });
  const stop = (stage) => {
    cancelAnimationFrame(stage.playing);
    stage.playing = 0;
    const button = stage.querySelector("[data-play]");
    if (button) {
      button.setAttribute("aria-label", "Play");
      button.querySelector(".icon").textContent = "play_arrow";
    }
  };
  addEventListener("click", (event) => {
    const button = event.target instanceof Element && event.target.closest("[data-play]");
    if (!button) return;
    const stage = button.closest("[data-stage]"), slider = stage.querySelector("[data-replay]");
    if (stage.playing) { stop(stage); return; }
    const first = Number(slider.min), last = Number(slider.max);
    let at = Number(slider.value);
    if (at >= last) at = first;
    // a whole day in a quarter of a minute
    const pace = (last - first) / 15;
    let before = performance.now();
    button.setAttribute("aria-label", "Pause");
    button.querySelector(".icon").textContent = "pause";
    const frame = (now) => {
      at = Math.min(last, at + pace * (now - before) / 1000);
      before = now;
      slider.value = String(at);
      show(stage, at);
      if (at >= last || !stage.isConnected) stop(stage);
      else stage.playing = requestAnimationFrame(frame);
    };
    stage.playing = requestAnimationFrame(frame);
  });
  // a stay is pressed in plan, timeline or table: the replay goes there
  addEventListener("click", (event) => {
    const part = event.target instanceof Element && event.target.closest("[data-goto]");
    if (!part) return;
    const stage = part.closest("[data-stage]"), slider = stage && stage.querySelector("[data-replay]");
    if (!slider) return;
    stop(stage);
    slider.value = part.dataset.goto;
    show(stage, Number(part.dataset.goto));
  });
})();
