"use strict";
(() => {
  const all = (query, root = document) => Array.from(root.querySelectorAll(query));
  const one = (query, root = document) => root.querySelector(query);
  const root = document.documentElement;

  // ---- light and dark: what was asked for in the address, else what was chosen before, else the system's
  const themes = ["auto", "light", "dark"];
  const themeButton = one("#theme");
  const remembered = () => { try { return localStorage.getItem("sightgrid-theme"); } catch { return null; } };
  const remember = (theme) => { try { localStorage.setItem("sightgrid-theme", theme); } catch { /* no storage for this page: the choice lasts as long as it is open */ } };
  let theme = new URLSearchParams(location.search).get("theme") || remembered();
  const applyTheme = () => {
    if (!themes.includes(theme)) theme = "auto";
    if (theme === "auto") delete root.dataset.theme; else root.dataset.theme = theme;
    one("b", themeButton).textContent = theme;
  };
  themeButton.hidden = false;
  themeButton.addEventListener("click", () => { theme = themes[(themes.indexOf(theme) + 1) % themes.length]; remember(theme); applyTheme(); });
  applyTheme();
  let themeBeforePrint;
  addEventListener("beforeprint", () => { themeBeforePrint = root.dataset.theme; root.dataset.theme = "light"; all("details").forEach((d) => { d.open = true; }); });
  addEventListener("afterprint", () => { if (themeBeforePrint) root.dataset.theme = themeBeforePrint; else delete root.dataset.theme; });

  const cards = all(".card");
  const cardOf = new Map(cards.map((card) => [card.dataset.id, card]));

  // ---- the timeline's faces are those of the cards: embedded once, shown twice
  all(".tl-row").forEach((row) => {
    const face = one("header img", cardOf.get(row.dataset.id));
    if (!face) return;
    const copy = new Image();
    copy.alt = "";
    copy.decoding = "async";
    copy.src = face.src;
    one(".thumb", row).append(copy);
  });

  // ---- tooltip
  const tooltip = one("#tooltip");
  const showTooltip = (bar) => {
    const [camera, who, span, stay] = bar.getAttribute("aria-label").split(" | ");
    const title = document.createElement("b");
    title.textContent = camera;
    tooltip.replaceChildren(title, `${who}, ${stay}`, document.createElement("br"), span);
    tooltip.hidden = false;
    const at = bar.getBoundingClientRect();
    const box = tooltip.getBoundingClientRect();
    const middle = Math.min(Math.max(at.left, 0) + Math.min(at.width, innerWidth) / 2, innerWidth);
    tooltip.style.left = `${Math.min(Math.max(middle - box.width / 2, 8), innerWidth - box.width - 8)}px`;
    tooltip.style.top = `${at.top - box.height - 8 > 60 ? at.top - box.height - 8 : at.bottom + 8}px`;
  };
  const hideTooltip = () => { tooltip.hidden = true; };
  addEventListener("scroll", hideTooltip, { passive: true, capture: true });
  addEventListener("keydown", (event) => { if (event.key === "Escape") hideTooltip(); });

  // ---- time axis: steps that people count in
  const STEPS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 15e3, 3e4, 6e4, 12e4, 3e5, 6e5, 9e5, 18e5, 36e5, 72e5, 108e5, 216e5, 432e5, 864e5, 1728e5, 6048e5, 12096e5, 25920e5, 77760e5, 315360e5];
  const two = (n) => String(n).padStart(2, "0");
  const tickWords = (at, step, relative, dayBefore) => {
    if (relative) {
      const whole = Math.floor(at / 1000), hours = Math.floor(whole / 3600), minutes = Math.floor(whole / 60) % 60;
      const millis = step < 1000 ? `.${String(at % 1000).padStart(3, "0")}` : "";
      return `${hours ? `${hours}:${two(minutes)}` : minutes}:${two(whole % 60)}${millis}`;
    }
    const iso = new Date(at).toISOString();
    const day = new Date(at).toLocaleDateString("en-GB", { day: "numeric", month: "short", timeZone: "UTC" });
    if (step >= 864e5) return day;
    const clock = step < 1000 ? iso.slice(11, 23) : step < 6e4 ? iso.slice(11, 19) : iso.slice(11, 16);
    return dayBefore !== day && at % 864e5 === 0 ? day : clock;
  };
  const drawTicks = (timeline) => {
    const starts = Number(timeline.dataset.starts), ends = Number(timeline.dataset.ends), relative = timeline.dataset.relative === "1";
    const ticks = one(".tl-ticks", timeline), lines = one(".tl-lines", timeline), scroll = one(".tl-scroll", timeline);
    const perMilli = ticks.clientWidth / (ends - starts);
    const step = STEPS.find((s) => s * perMilli >= 92) || STEPS[STEPS.length - 1];
    // only what is in view and a little more: a zoomed week has thousands of seconds
    const from = starts + Math.max(scroll.scrollLeft - scroll.clientWidth, 0) / perMilli;
    const to = Math.min(ends, starts + (scroll.scrollLeft + 2 * scroll.clientWidth) / perMilli);
    const labels = [], rules = [];
    let day = null;
    for (let at = Math.ceil(from / step) * step; at <= to; at += step) {
      const place = ((at - starts) / (ends - starts)) * 100;
      const rule = document.createElement("span");
      rule.style.setProperty("--l", place);
      rules.push(rule);
      const edge = ((at - starts) * perMilli) < 40 || ((ends - at) * perMilli) < 40;
      if (edge) continue;
      const label = document.createElement("span");
      label.style.setProperty("--l", place);
      label.textContent = tickWords(at, step, relative, day);
      day = label.textContent;
      labels.push(label);
    }
    ticks.replaceChildren(...labels);
    lines.replaceChildren(...rules);
  };

  all(".timeline").forEach((timeline) => {
    const scroll = one(".tl-scroll", timeline), inner = one(".tl-in", timeline), group = one(".zoom", timeline);
    const spanSecs = (Number(timeline.dataset.ends) - Number(timeline.dataset.starts)) / 1000;
    const rows = all(".tl-row", timeline).map((row) => all(".bar", row));
    const [out, whole, closer] = all("button", group);
    let zoom = 1, waiting = false;
    const redraw = () => { if (waiting) return; waiting = true; requestAnimationFrame(() => { waiting = false; drawTicks(timeline); }); };
    const mostZoom = () => Math.max(1, Math.min(65536, (spanSecs * 160) / Math.max(scroll.clientWidth, 200)));
    const setZoom = (wanted, anchor = scroll.clientWidth / 2) => {
      const who = one(".tl-corner", timeline).offsetWidth;
      const before = (scroll.scrollLeft + anchor - who) / Math.max(inner.offsetWidth - who, 1);
      zoom = Math.min(Math.max(wanted, 1), mostZoom());
      inner.style.setProperty("--zoom", zoom);
      scroll.scrollLeft = before * (inner.offsetWidth - who) - anchor + who;
      out.disabled = whole.disabled = zoom <= 1;
      closer.disabled = zoom >= mostZoom();
      redraw();
    };
    group.hidden = false;
    out.addEventListener("click", () => setZoom(zoom / 2));
    closer.addEventListener("click", () => setZoom(zoom * 2));
    whole.addEventListener("click", () => setZoom(1));
    scroll.addEventListener("wheel", (event) => {
      if (!event.ctrlKey) return;
      event.preventDefault();
      setZoom(zoom * Math.exp(-event.deltaY / 300), event.clientX - scroll.getBoundingClientRect().left);
    }, { passive: false });
    scroll.addEventListener("scroll", redraw, { passive: true });
    addEventListener("resize", () => setZoom(zoom));
    setZoom(1);

    // one tab stop for all bars; arrow keys walk: left and right in time, up and down between people
    let current = rows[0] && rows[0][0];
    if (current) current.tabIndex = 0;
    const go = (bar) => { if (!bar) return; current.tabIndex = -1; current = bar; bar.tabIndex = 0; bar.focus({ preventScroll: true }); bar.scrollIntoView({ block: "nearest", inline: "nearest", behavior: "instant" }); requestAnimationFrame(() => requestAnimationFrame(() => showTooltip(bar))); };
    timeline.addEventListener("keydown", (event) => {
      if (!event.target.classList.contains("bar")) return;
      const shown = rows.filter((bars) => bars.length && !bars[0].closest(".tl-row").hidden);
      const row = shown.findIndex((bars) => bars.includes(event.target));
      const column = shown[row].indexOf(event.target);
      const start = (bar) => parseFloat(bar.style.getPropertyValue("--l"));
      const nearest = (bars) => bars && bars.reduce((best, bar) => (Math.abs(start(bar) - start(event.target)) < Math.abs(start(best) - start(event.target)) ? bar : best));
      const moves = { ArrowLeft: () => shown[row][column - 1], ArrowRight: () => shown[row][column + 1], ArrowUp: () => nearest(shown[row - 1]), ArrowDown: () => nearest(shown[row + 1]), Home: () => shown[row][0], End: () => shown[row][shown[row].length - 1] };
      if (!moves[event.key]) return;
      event.preventDefault();
      go(moves[event.key]());
    });
    for (const [event, act] of [["mouseover", showTooltip], ["focusin", showTooltip]]) timeline.addEventListener(event, (e) => { const bar = e.target.closest(".bar"); if (bar) act(bar); });
    for (const event of ["mouseout", "focusout"]) timeline.addEventListener(event, (e) => { if (e.target.closest(".bar")) hideTooltip(); });
  });

  // ---- filter: words must all be found; "#12" means serial 12 and no other
  const find = one("#find"), found = one("#found");
  const tableRows = all("#visits-table tbody tr");
  const words = (node) => node.dataset.words ??= (node.dataset.find || `${node.cells[0].textContent} #${node.dataset.id} ${node.cells[1].textContent} ${node.cells[7].textContent}`).toLowerCase();
  const matches = (node, wanted) => wanted.every((word) => (/^#\d+$/.test(word) ? node.dataset.id === word.slice(1) : words(node).includes(word)));
  const asked = () => find.value.toLowerCase().split(/\s+/).filter(Boolean);

  // ---- the table shows its first rows and more as one scrolls: thousands at once are slow to lay out
  const FEW = 300;
  let shown = FEW, sorted = tableRows, more = false;
  const showRows = (wanted) => {
    let count = 0;
    for (const row of sorted) { const hit = matches(row, wanted); row.hidden = !hit || count >= shown; count += hit; }
    more = count > shown;
    return count;
  };
  const table = one("#visits .table");
  table?.addEventListener("scroll", () => {
    if (!more || table.scrollTop + table.clientHeight < table.scrollHeight - 600) return;
    shown += FEW;
    showRows(asked());
  }, { passive: true });
  addEventListener("beforeprint", () => { shown = Infinity; showRows(asked()); });

  const filter = () => {
    const wanted = asked();
    let people = 0;
    for (const card of cards) { card.hidden = !matches(card, wanted); people += !card.hidden; }
    for (const row of all(".tl-row")) row.hidden = cardOf.get(row.dataset.id)?.hidden ?? false;
    shown = FEW;
    const visits = showRows(wanted);
    for (const item of all(".unsure-list li")) item.hidden = !matches(item, wanted);
    found.textContent = wanted.length ? `${people} of ${cards.length} people, ${visits} of ${tableRows.length} visits` : "";
    for (const [section, count] of [["#people", people], ["#visits", visits]]) one(`${section} .no-match`).hidden = !wanted.length || count > 0;
  };
  let typing;
  find.addEventListener("input", () => { clearTimeout(typing); typing = setTimeout(filter, tableRows.length > 800 ? 160 : 0); });
  addEventListener("hashchange", () => {
    const card = /^#id-/.test(location.hash) && one(location.hash);
    if (card && card.hidden) { find.value = ""; filter(); card.scrollIntoView(); }
  });

  showRows([]);

  // ---- sorting
  const heads = all("#visits-table thead th");
  heads.forEach((head, column) => one("button", head).addEventListener("click", () => {
    const down = head.getAttribute("aria-sort") === "ascending";
    heads.forEach((other) => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const value = (row) => { const text = row.cells[column].dataset.v; const number = Number(text); return Number.isNaN(number) ? text : number; };
    const keyed = tableRows.map((row, order) => [value(row), order, row]);
    keyed.sort((a, b) => (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0) * (down ? -1 : 1) || a[1] - b[1]);
    sorted = keyed.map((entry) => entry[2]);
    one("#visits-table tbody").append(...sorted);
    shown = FEW;
    showRows(asked());
    table.scrollTop = 0;
  }));

  // ---- routes on the floor plan
  const plan = one("#plan");
  if (plan) {
    const layer = one(".route", plan), status = one(".plan-words", plan), svg = one("svg", plan);
    const spots = new Map(all(".spot", plan).map((spot) => [spot.dataset.camera, spot]));
    const shape = (name, attributes, text) => { const node = document.createElementNS(svg.namespaceURI, name); for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value); if (text) node.textContent = text; return node; };
    let pinned = null;
    const draw = (card) => {
      cards.forEach((other) => other.classList.toggle("on-plan", other === card));
      svg.classList.toggle("routed", Boolean(card));
      if (!card) { layer.replaceChildren(); status.textContent = "Point at a person to see the route."; return; }
      const stops = card.dataset.route.trim().split(/\s+/).map((index) => spots.get(index));
      spots.forEach((spot) => spot.classList.toggle("used", stops.includes(spot)));
      const legs = new Map(), lines = [], marks = [];
      for (let step = 1; step < stops.length; step += 1) {
        const [a, b] = [stops[step - 1], stops[step]];
        if (!a || !b || a === b) continue;
        const key = `${a.dataset.camera}>${b.dataset.camera}`;
        if (!legs.has(key)) legs.set(key, { a, b, steps: [] });
        legs.get(key).steps.push(step);
      }
      for (const { a, b, steps } of legs.values()) {
        const [x1, y1, x2, y2] = [a.dataset.x, a.dataset.y, b.dataset.x, b.dataset.y].map(Number);
        const length = Math.hypot(x2 - x1, y2 - y1) || 1, bend = Math.min(34, length * 0.22);
        const cx = (x1 + x2) / 2 - ((y2 - y1) / length) * bend, cy = (y1 + y2) / 2 + ((x2 - x1) / length) * bend;
        const cut = (fx, fy, tx, ty, by) => { const d = Math.hypot(tx - fx, ty - fy) || 1; return [fx + ((tx - fx) / d) * by, fy + ((ty - fy) / d) * by]; };
        const [sx, sy] = cut(x1, y1, cx, cy, 18), [ex, ey] = cut(x2, y2, cx, cy, 21);
        lines.push(shape("path", { d: `M${sx} ${sy}Q${cx} ${cy} ${ex} ${ey}`, "marker-end": "url(#tip)" }));
        const mx = (sx + 2 * cx + ex) / 4, my = (sy + 2 * cy + ey) / 4;
        const label = steps.length > 1 ? `${steps[0]}+${steps.length - 1}` : String(steps[0]);
        marks.push(shape("circle", { cx: mx, cy: my, r: label.length > 2 ? 14 : 10.5 }), shape("text", { x: mx, y: my + 4.6 }, label));
      }
      layer.replaceChildren(...lines, ...marks);
      const legsOf = stops.length === 1 ? "one visit" : `${stops.length} visits`;
      status.textContent = `${card.dataset.who}: ${legsOf}${lines.length ? "; the numbers show the order" : ", no change of camera"}.`;
    };
    cards.forEach((card) => {
      const button = one(".show-route", card);
      button.hidden = false;
      card.addEventListener("mouseenter", () => draw(card));
      card.addEventListener("mouseleave", () => draw(pinned));
      card.addEventListener("focusin", () => draw(card));
      card.addEventListener("focusout", () => draw(pinned));
      button.addEventListener("click", () => {
        pinned = pinned === card ? null : card;
        cards.forEach((other) => one(".show-route", other).setAttribute("aria-pressed", String(other === pinned)));
        draw(pinned);
        const at = plan.getBoundingClientRect();
        if (pinned && (at.bottom < 80 || at.top > innerHeight - 80)) plan.scrollIntoView({ block: "center" });
      });
    });
  }
})();
