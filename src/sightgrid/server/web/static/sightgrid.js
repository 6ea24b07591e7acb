/* What pages need in the browser itself: the look before anything is painted, the menu of small
   screens, signing in (the cookie comes with an answer, which a websocket has not). */
"use strict";
(() => {
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  const chosen = () => { try { return localStorage.getItem("sightgrid-look"); } catch { return null; } };
  const paintAs = (look) => {
    root.dataset.look = look;
    if (window.Quasar && window.Quasar.Dark) window.Quasar.Dark.set(look === "dark");
  };
  const paint = () => paintAs(chosen() || (system.matches ? "dark" : "light"));
  paint();
  system.addEventListener("change", paint);
  addEventListener("load", paint);

  addEventListener("click", (event) => {
    if (!(event.target instanceof Element)) return;
    if (event.target.closest("[data-switch-look]")) {
      const next = root.dataset.look === "dark" ? "light" : "dark";
      try { localStorage.setItem("sightgrid-look", next); } catch { /* for this page only */ }
      paintAs(next);
    }
    if (event.target.closest("[data-menu]")) root.toggleAttribute("data-menu-open");
    else if (event.target.closest("nav a")) root.removeAttribute("data-menu-open");
  });
  addEventListener("keydown", (event) => {
    if (event.key === "Escape") root.removeAttribute("data-menu-open");
  });
  // a picture that is gone leaves its place, not a broken sign
  addEventListener("error", (event) => {
    if (event.target instanceof HTMLImageElement) event.target.classList.add("gone");
  }, true);

  const send = async (path, body) => {
    const answer = await fetch(path, {
      method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
    });
    const told = await answer.json().catch(() => ({}));
    if (answer.ok) return { ok: true, told };
    const error = told.error || {};
    const hint = error.details && error.details.hint ? ` ${error.details.hint}` : "";
    return { ok: false, message: (error.message || "The server did not answer.") + hint };
  };
  window.sightgrid = {
    signIn: (login, password) => send("/api/v1/auth/login", { login, password }),
    // uses a one-time code, then signs in; the first owner's code makes the login, too
    setUp: async (code, login, password) => {
      const made = await send("/api/v1/auth/setup", login === null ? { code, password } : { code, login, password });
      return made.ok ? send("/api/v1/auth/login", { login: made.told.login, password }) : made;
    },
  };
})();
