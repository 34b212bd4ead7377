// Live figures, lists that read themselves anew, charts under the pointer, and the word when
// the server is lost. Everything works without it but what is live.
"use strict";
(() => {
  const body = document.body;
  const NEAR_K = 2.0; // as in controller/service/moment.py
  const SILENT_S = 15; // the server says at least that it is alive every 5 s
  const ABSENT = "–";
  const state = { link: "wait", heard: performance.now(), status: null, values: {}, bad: {}, marks: null, at: 0, rate: 1 };

  // ---- words
  function number(value, digits) {
    if (value === null || value === undefined) return ABSENT;
    return value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits })
      .replace("-", "−");
  }
  function moment(seconds) {
    const d = new Date(seconds * 1000);
    const month = d.toLocaleString("en-GB", { month: "short", timeZone: "UTC" });
    return `${String(d.getUTCDate()).padStart(2, "0")} ${month} ${d.toISOString().slice(11, 19)}`;
  }
  function duration(s) {
    if (s < 60) return `${Math.max(0, Math.floor(s))} s`;
    const minutes = Math.floor(s / 60);
    if (minutes < 60) return `${minutes} min`;
    const rest = minutes % 60;
    return rest ? `${Math.floor(minutes / 60)} h ${String(rest).padStart(2, "0")} min` : `${minutes / 60} h`;
  }
  function put(element, text) {
    if (element.textContent !== text) element.textContent = text;
  }
  function dig(data, path) {
    if (path.startsWith("numbers.")) return data.numbers[path.slice(8)];
    return path.split(".").reduce((at, name) => (at === null || at === undefined ? at : at[name]), data);
  }

  // ---- figures
  function showValues(root = document) {
    for (const element of root.querySelectorAll("[data-tag]")) {
      const tag = element.dataset.tag;
      if (!(tag in state.values)) continue;
      put(element, number(state.values[tag], Number(element.dataset.digits || 1)));
      element.toggleAttribute("data-bad", tag in state.bad);
    }
    for (const element of root.querySelectorAll("a[data-rack]")) {
      const tag = element.dataset.rack;
      if (!(tag in state.values)) continue;
      const value = state.values[tag];
      const room = value === null ? null : Number(element.dataset.limit) - value;
      const stands = value === null || tag in state.bad ? "old"
        : room < 0 ? "over" : room < NEAR_K ? "near" : "ok";
      put(element.children[1], number(value, 1));
      put(element.children[2], number(room, 1));
      if (element.dataset.state !== stands) element.dataset.state = stands;
    }
  }
  function showStatus(root = document) {
    const status = state.status;
    if (!status) return;
    for (const element of root.querySelectorAll("[data-live]")) {
      const path = element.dataset.live;
      let value = dig(status, path);
      if (path === "time") value = moment(status.time_s);
      else if (typeof value === "number" && !("hideZero" in element.dataset)) {
        value = number(value, Number(element.dataset.digits ?? 0));
      }
      if ("hideZero" in element.dataset) put(element, value ? String(value) : "");
      else put(element, value === null || value === undefined ? (element.dataset.digits ? ABSENT : "") : String(value));
    }
    const mode = document.querySelector(".mode");
    if (mode) mode.dataset.mode = status.mode.word;
    const bar = document.getElementById("alarm-bar");
    if (bar) {
      const { alarms } = status;
      bar.dataset.priority = alarms.top ? alarms.top.priority : "none";
      const more = alarms.open - 1;
      put(bar.querySelector("[data-more]"), alarms.open === 0 ? "No alarms"
        : `${more > 0 ? `and ${more} more · ` : ""}${alarms.unseen} not acknowledged`);
    }
    const word = document.getElementById("word");
    if (word) {
      word.dataset.state = status.word.state;
      if (status.word.page) word.href = status.word.page;
      else word.removeAttribute("href");
    }
    const least = document.getElementById("least");
    if (least && status.least) {
      const room = status.least.room_k;
      least.dataset.state = room < 0 ? "over" : room < NEAR_K ? "near" : "ok";
    }
  }

  // ---- time that runs on between two messages
  function plantTime() {
    const base = state.status ? state.status.time_s : Number(body.dataset.time || 0);
    return state.link === "open" ? base + ((performance.now() - state.at) / 1000) * state.rate : base;
  }
  function showTimes() {
    const now = plantTime();
    for (const element of document.querySelectorAll("[data-until]")) {
      const left = Number(element.dataset.until) - now;
      put(element, left > 0 ? duration(left) : "no time: it has ended");
    }
    for (const element of document.querySelectorAll("[data-since]")) {
      put(element, duration(Math.max(0, now - Number(element.dataset.since))));
    }
  }

  // ---- the link
  function showLink() {
    const silent = (performance.now() - state.heard) / 1000;
    const lost = state.link === "lost" || state.link === "refused" || (state.link === "open" && silent > SILENT_S);
    const status = state.status;
    const gateway = status ? status.gateway_error : "";
    const old = !lost && status !== null && (status.old || gateway !== "");
    const sign = document.querySelector("[data-link]");
    const banner = document.querySelector(".lost");
    if (!sign || !banner) return;
    const known = lost ? "lost" : old ? "old" : state.link === "open" ? "open" : "wait";
    sign.dataset.link = known;
    put(sign, { lost: "no connection", old: "values are old", open: "live", wait: "connecting" }[known]);
    body.classList.toggle("is-old", lost || old);
    body.classList.toggle("is-lost", lost);
    const waited = lost && silent < 2 && state.link !== "refused"; // a blink is no loss
    banner.hidden = !(lost || old) || waited;
    if (banner.hidden) return;
    const word = document.getElementById("word");
    if (word && lost) { // what was well before the silence may not be any more
      word.dataset.state = "act";
      put(word.children[0], "Not known");
      put(word.children[1], "this page has lost Isotherm");
    }
    if (lost) {
      put(banner.querySelector("[data-lost-head]"), "This page has lost Isotherm.");
      put(banner.querySelector("[data-lost-text]"),
        `No word for ${duration(silent)}; every value below is from ${moment(status ? status.time_s : Number(body.dataset.time))}. The page tries to connect by itself.`);
    } else {
      put(banner.querySelector("[data-lost-head]"), "There is no word from the field.");
      put(banner.querySelector("[data-lost-text]"),
        `${gateway || "The gateway is silent"}. Every value below is ${status.age_s === null ? "missing" : `${duration(status.age_s)} old`}.`);
    }
  }
  async function askWhy() { // refused: has the session ended, or is the server gone?
    try {
      const answer = await fetch("/v1/health", { cache: "no-store" });
      if (answer.ok && !location.pathname.startsWith("/log-in")) {
        const page = await fetch(location.href, { redirect: "manual", cache: "no-store" });
        if (page.type === "opaqueredirect" || page.status === 401) location.reload();
      }
    } catch { /* the server is gone; the banner says so */ }
  }

  // ---- lists
  const due = new Set();
  let reading = false;
  function compareMarks(marks) {
    if (state.marks) {
      for (const name of Object.keys(marks)) if (marks[name] !== state.marks[name]) due.add(name);
    } else if (body.dataset.marks) {
      const drawn = JSON.parse(body.dataset.marks);
      for (const name of Object.keys(marks)) if (marks[name] !== drawn[name]) due.add(name);
    }
    state.marks = marks;
    if (due.size) refresh();
  }
  function busy(section) { // somebody writes in it, or has opened something
    return section.contains(document.activeElement) && document.activeElement.matches("input, select, button, textarea")
      || [...section.querySelectorAll("details[open]")].some((d) => d.querySelector("form"));
  }
  async function refresh() {
    if (reading || state.link !== "open") return;
    const wanted = [...document.querySelectorAll("[data-refresh]")]
      .filter((s) => s.dataset.refresh.split(" ").some((name) => due.has(name)) && !busy(s));
    if (!wanted.length) {
      if (![...document.querySelectorAll("[data-refresh]")].some((s) => s.dataset.refresh.split(" ").some((n) => due.has(n)))) due.clear();
      return;
    }
    reading = true;
    due.clear();
    try {
      const answer = await fetch(location.href, { cache: "no-store", redirect: "error" });
      if (answer.ok) {
        const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
        for (const section of wanted) {
          const found = fresh.getElementById(section.id);
          if (found && found.innerHTML !== section.innerHTML && !busy(section)) {
            section.replaceWith(document.adoptNode(found));
          }
        }
        showValues(); showStatus(); showTimes(); charts();
      }
    } catch { /* the stream tells of a lost server */ } finally { reading = false; }
  }

  // ---- messages
  function message({ link, name, data }) {
    if (link !== state.link) {
      state.link = link;
      if (link === "refused") askWhy();
    }
    if (name) state.heard = performance.now();
    if (name === "snapshot" || name === "changes") {
      Object.assign(state.values, data.values);
      if (data.not_good) state.bad = data.not_good;
      showValues();
    } else if (name === "status") {
      const now = performance.now();
      if (state.status && now > state.at) {
        const passed = (data.time_s - state.status.time_s) / ((now - state.at) / 1000);
        if (passed >= 0 && passed < 200) state.rate = 0.7 * state.rate + 0.3 * passed;
      }
      state.status = data;
      state.at = now;
      showStatus();
      compareMarks(data.marks);
    } else if (name === "alarm") {
      due.add("alarms");
    }
    if (name || link !== "open") { showLink(); showTimes(); }
  }
  function connect() {
    const url = body.dataset.stream;
    if (!url) return;
    if (window.SharedWorker) {
      const worker = new SharedWorker(body.dataset.worker, "isotherm");
      worker.port.onmessage = (event) => message(event.data);
      worker.port.postMessage({ url });
      addEventListener("pagehide", () => worker.port.postMessage({ leave: true }));
      addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
    } else {
      const script = document.createElement("script");
      script.src = body.dataset.worker;
      script.onload = () => window.openStream(url, message);
      document.head.append(script);
    }
    setInterval(() => { showLink(); showTimes(); if (due.size) refresh(); }, 1000);
  }

  // ---- charts: the values at the moment under the pointer, in every chart
  let drawn = [];
  function charts() {
    drawn = [...document.querySelectorAll("svg[data-chart]")].map((svg) => ({
      svg, ...JSON.parse(svg.dataset.chart),
      cross: svg.querySelector(".cross"),
      reading: svg.closest("figure").querySelector(".reading"),
    })).filter((chart) => chart.times.length > 1);
  }
  function showAt(time) {
    for (const c of drawn) {
      const first = c.times[0];
      const last = c.times[c.times.length - 1];
      if (time < first || time > last) { c.cross.classList.remove("on"); put(c.reading, ""); continue; }
      let index = c.times.findIndex((t) => t >= time);
      if (index > 0 && time - c.times[index - 1] < c.times[index] - time) index -= 1;
      const x = c.left + ((c.times[index] - first) / (last - first)) * (c.right - c.left);
      c.cross.setAttribute("x1", x);
      c.cross.setAttribute("x2", x);
      c.cross.classList.add("on");
      const values = c.lines.filter((l) => l.values[index] !== null).map((l) => `${l.name} ${l.values[index]} ${c.unit}`);
      put(c.reading, `${moment(c.times[index]).slice(0, 12)}  ${values.join(" · ")}`);
    }
  }
  document.addEventListener("pointermove", (event) => {
    const svg = event.target.closest ? event.target.closest("svg[data-chart]") : null;
    const chart = svg && drawn.find((c) => c.svg === svg);
    if (!chart) {
      if (drawn.length && document.querySelector(".cross.on")) showAt(-1);
      return;
    }
    const box = svg.getBoundingClientRect();
    const at = ((event.clientX - box.left) / box.width) * chart.width;
    const share = (at - chart.left) / (chart.right - chart.left);
    const last = chart.times[chart.times.length - 1];
    showAt(chart.times[0] + Math.min(1, Math.max(0, share)) * (last - chart.times[0]));
  });

  // ---- forms
  document.addEventListener("submit", (event) => { // one press, one request
    const button = event.submitter;
    if (button) setTimeout(() => { button.disabled = true; }, 0);
  });
  document.addEventListener("change", (event) => {
    const select = event.target;
    if (select.matches("select[data-range]")) {
      const option = select.selectedOptions[0];
      const form = select.form;
      const value = form.querySelector("input[name=value]");
      value.min = option.dataset.min;
      value.max = option.dataset.max;
      value.placeholder = option.dataset.now;
      put(form.parentElement.querySelector("[data-range-text]"), option.dataset.text);
    }
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    const open = document.activeElement && document.activeElement.closest("details[open]");
    if (open) { open.open = false; open.querySelector("summary").focus(); }
  });

  charts();
  connect();
})();
