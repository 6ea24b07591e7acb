/* Drawing with mouse, finger or keys: masks as polygons on a camera's picture, cameras on a plan.
   Each tells its page of changes with an event whose detail is the new value. */
"use strict";
(() => {
  const SVG = "http://www.w3.org/2000/svg";
  const made = (name, attributes, parent) => {
    const element = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    if (parent) parent.append(element);
    return element;
  };
  const parsed = (text, otherwise) => { try { return JSON.parse(text); } catch { return otherwise; } };
  const within = (value) => Math.min(1, Math.max(0, value));
  const rounded = (value) => Math.round(within(value) * 10000) / 10000;

  class Drawing extends HTMLElement {
    connectedCallback() {
      if (this.svg) return;
      this.svg = made("svg", {}, this);
      this.width = 1000;
      const source = this.getAttribute("src");
      this.resize(Number(this.getAttribute("aspect")) || 16 / 9);
      if (source) {
        this.picture = made("image", { href: source, x: 0, y: 0, width: this.width, height: this.height, preserveAspectRatio: "none" }, this.svg);
        const probe = new Image();
        probe.onload = () => this.resize(probe.naturalWidth / probe.naturalHeight);
        probe.src = source;
      }
      this.layer = made("g", {}, this.svg);
      this.begin();
      this.draw();
    }
    resize(aspect) {
      this.height = this.width / aspect;
      this.svg.setAttribute("viewBox", `0 0 ${this.width} ${this.height}`);
      if (this.picture) this.picture.setAttribute("height", this.height);
      if (this.layer) this.draw();
    }
    at(event) {
      const box = this.svg.getBoundingClientRect();
      return [rounded((event.clientX - box.left) / box.width), rounded((event.clientY - box.top) / box.height)];
    }
    tell(name, detail) { this.dispatchEvent(new CustomEvent(name, { detail })); }
  }

  class Polygons extends Drawing {
    begin() {
      this.polygons = parsed(this.getAttribute("value"), []).map((flat) => {
        const points = [];
        for (let i = 0; i < flat.length; i += 2) points.push([flat[i], flat[i + 1]]);
        return points;
      });
      this.open = [];
      this.svg.addEventListener("pointerdown", (event) => this.press(event));
      this.svg.addEventListener("pointermove", (event) => {
        if (this.held) { this.held.splice(0, 2, ...this.at(event)); this.draw(); }
      });
      this.svg.addEventListener("pointerup", () => { if (this.held) { this.held = null; this.changed(); } });
      this.svg.addEventListener("dblclick", () => this.close());
      this.tabIndex = 0;
      this.addEventListener("keydown", (event) => {
        if (event.key === "Enter") this.close();
        else if (event.key === "Backspace" || event.key === "Delete") this.back();
        else if (event.key === "Escape" && this.open.length) { event.stopPropagation(); this.open = []; this.draw(); }
        else return;
        event.preventDefault();
      });
    }
    press(event) {
      const corner = event.target.corner;
      this.svg.setPointerCapture(event.pointerId);
      if (corner) {
        if (this.open.length > 2 && corner === this.open[0]) this.close();
        else this.held = corner;
        return;
      }
      this.open.push(this.at(event));
      this.draw();
    }
    close() {
      // a double click has set its point twice
      const points = this.open.filter((p, i) => !i || p[0] !== this.open[i - 1][0] || p[1] !== this.open[i - 1][1]);
      if (points.length > 2) { this.polygons.push(points); this.open = []; this.changed(); }
      this.draw();
    }
    back() {
      if (this.open.length) this.open.pop();
      else { this.polygons.pop(); this.changed(); }
      this.draw();
    }
    clear() { this.polygons = []; this.open = []; this.changed(); this.draw(); }
    changed() { this.tell("polygons", this.polygons.map((points) => points.flat())); }
    draw() {
      const text = (points) => points.map(([x, y]) => `${x * this.width},${y * this.height}`).join(" ");
      this.layer.replaceChildren();
      for (const points of this.polygons) made("polygon", { points: text(points) }, this.layer);
      if (this.open.length) made("polyline", { points: text(this.open) }, this.layer);
      for (const point of [...this.polygons.flat(), ...this.open]) {
        made("circle", { cx: point[0] * this.width, cy: point[1] * this.height, r: 7 }, this.layer).corner = point;
      }
    }
  }

  class Plan extends Drawing {
    begin() {
      this.cameras = parsed(this.getAttribute("cameras"), []);
      this.links = parsed(this.getAttribute("links"), []);
      this.svg.addEventListener("pointermove", (event) => {
        if (this.held) { [this.held.x, this.held.y] = this.at(event); this.draw(); }
      });
      const drop = () => {
        if (!this.held) return;
        const { name, x, y } = this.held;
        this.held = null;
        this.tell("placed", { name, x, y });
      };
      this.svg.addEventListener("pointerup", drop);
      this.svg.addEventListener("pointercancel", drop);
    }
    move(camera, event) {
      const step = event.shiftKey ? 0.05 : 0.01;
      const way = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] }[event.key];
      if (!way || camera.fixed) return;
      event.preventDefault();
      camera.x = rounded(camera.x + way[0]);
      camera.y = rounded(camera.y + way[1]);
      this.draw(camera.name);
      this.tell("placed", { name: camera.name, x: camera.x, y: camera.y });
    }
    draw(focused) {
      this.layer.replaceChildren();
      const where = Object.fromEntries(this.cameras.map((c) => [c.name, [c.x * this.width, c.y * this.height]]));
      const drawn = this.links.map((link) => [link, where[link.origin], where[link.target]]).filter(([, a, b]) => a && b);
      for (const [, a, b] of drawn) made("line", { class: "link", x1: a[0], y1: a[1], x2: b[0], y2: b[1] }, this.layer);
      for (const [link, a, b] of drawn) {
        made("text", { class: "link-words", x: (a[0] + b[0]) / 2, y: (a[1] + b[1]) / 2 + 5 }, this.layer).textContent = link.words;
      }
      for (const camera of this.cameras) {
        const [x, y] = where[camera.name];
        const group = made("g", {
          class: camera.fixed ? "camera fixed" : "camera", tabindex: 0, role: "button",
          "aria-label": camera.fixed ? `${camera.name}: placed by the configuration file` : `${camera.name}: move with the arrow keys`,
        }, this.layer);
        made("circle", { cx: x, cy: y, r: 11 }, group);
        made("text", { x, y: y + 28 }, group).textContent = camera.name;
        group.addEventListener("pointerdown", (event) => {
          if (camera.fixed) return;
          this.held = camera;
          this.svg.setPointerCapture(event.pointerId);
        });
        group.addEventListener("keydown", (event) => this.move(camera, event));
        if (focused === camera.name) group.focus();
      }
    }
  }
  customElements.define("sg-polygons", Polygons);
  customElements.define("sg-plan", Plan);
})();
