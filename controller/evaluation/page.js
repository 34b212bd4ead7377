// Shows the values under the pointer, at the same moment in every chart.
"use strict";
(() => {
  const charts = [...document.querySelectorAll("svg[data-chart]")].map((svg) => ({
    svg,
    ...JSON.parse(svg.dataset.chart),
    cross: svg.querySelector(".cross"),
    reading: svg.closest("figure").querySelector(".reading"),
  })).filter((chart) => chart.times.length > 1);

  const clock = (seconds) => new Date(seconds * 1000).toISOString().slice(5, 16).replace("T", " ");

  function show(time) {
    for (const c of charts) {
      const first = c.times[0];
      const last = c.times[c.times.length - 1];
      const x = c.left + ((time - first) / (last - first)) * (c.right - c.left);
      const index = Math.max(0, Math.min(c.times.length - 1,
        Math.round(((time - first) / (last - first)) * (c.times.length - 1))));
      c.cross.setAttribute("x1", x);
      c.cross.setAttribute("x2", x);
      c.cross.classList.add("on");
      const values = c.lines.map((line) => `${line.name} ${line.values[index] ?? "–"}`);
      c.reading.textContent = `${clock(c.times[index])}  ${values.join(" · ")}`;
    }
  }

  function hide() {
    for (const c of charts) {
      c.cross.classList.remove("on");
      c.reading.textContent = "";
    }
  }

  for (const c of charts) {
    c.svg.addEventListener("pointermove", (event) => {
      const box = c.svg.getBoundingClientRect();
      const at = ((event.clientX - box.left) / box.width) * c.width;
      const share = (at - c.left) / (c.right - c.left);
      if (share < 0 || share > 1) { hide(); return; }
      show(c.times[0] + share * (c.times[c.times.length - 1] - c.times[0]));
    });
    c.svg.addEventListener("pointerleave", hide);
  }
})();
