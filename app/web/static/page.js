// What the page gains with JavaScript: times that move on, in the viewer's zone, and a theme switch
// without loading the page again. Everything works without it.
"use strict";
(() => {
  const steps = [[86400, "d"], [3600, "h"], [60, "min"]];
  const parts = new Intl.DateTimeFormat("en-GB", {
    year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit",
    hourCycle: "h23", timeZoneName: "short",
  });

  function age(at) {
    const passed = Math.max(0, Math.floor((Date.now() - at) / 1000));
    for (const [length, name] of steps) {
      if (passed >= length) return `${Math.floor(passed / length)} ${name} ago`;
    }
    return "just now";
  }

  function moment(at, seconds) {
    const of = Object.fromEntries(parts.formatToParts(at).map((part) => [part.type, part.value]));
    const clock = `${of.hour}:${of.minute}${seconds ? `:${of.second}` : ""}`;
    return `${of.year}-${of.month}-${of.day} ${clock}${seconds ? ` ${of.timeZoneName}` : ""}`;
  }

  function say(element, text) {
    if (element.textContent !== text) element.textContent = text;
  }

  function paint() {
    for (const element of document.querySelectorAll("time[datetime]")) {
      const at = new Date(element.dateTime);
      if (Number.isNaN(at.getTime())) continue;
      element.title = moment(at, true);
      say(element, element.classList.contains("full") ? moment(at, false) : age(at));
    }
  }

  function zone() {
    const element = document.getElementById("zone");
    const name = Intl.DateTimeFormat().resolvedOptions().timeZone;
    if (element && name) say(element, `Times are in ${name}`);
  }

  function choose(form, button) {
    const root = document.documentElement;
    const to = button.value;
    const secure = location.protocol === "https:" ? "; secure" : "";
    const kept = to === "auto" ? 0 : 31536000;
    document.cookie = `theme=${to === "auto" ? "" : to}; path=/; max-age=${kept}; samesite=lax${secure}`;
    if (to === "auto") delete root.dataset.theme;
    else root.dataset.theme = to;
    for (const each of form.querySelectorAll("button")) each.setAttribute("aria-pressed", String(each === button));
  }

  // a question that is open is about what stood there when it was asked, whatever arrives live meanwhile
  const asked = new WeakMap();
  document.addEventListener("toggle", (event) => {
    const seen = event.target.matches("details.act[open]") && event.target.querySelector("input[name=seen]");
    if (seen) asked.set(event.target, seen.value);
  }, true);

  document.addEventListener("submit", (event) => {
    const question = event.target.closest("details.act");
    if (question && asked.has(question)) event.target.elements.seen.value = asked.get(question);
    if (event.target.matches("form.theme") && event.submitter) {
      event.preventDefault();
      choose(event.target, event.submitter);
    } else if (event.target.matches("form.filters")) {
      // an address without the fields that say nothing is one to pass on
      for (const field of event.target.elements) if (field.name && !field.value) field.disabled = true;
    }
  });
  window.addEventListener("pageshow", () => {
    for (const field of document.querySelectorAll("form.filters :disabled")) field.disabled = false;
  });
  document.addEventListener("keydown", (event) => {
    const open = event.key === "Escape" && document.querySelector("details.act[open]");
    if (open) {
      open.open = false;
      open.querySelector("summary").focus();
    }
  });

  zone();
  paint();
  setInterval(paint, 30000);
  // what arrives live is painted too, also where only words have changed
  document.addEventListener("htmx:after:swap", paint);
  new MutationObserver((changes) => {
    if (changes.some((change) => [...change.addedNodes].some((node) => node.nodeType === 1))) paint();
  }).observe(document.getElementById("main"), {childList: true, subtree: true});
})();
