// Everything here is an extra: without it pages show the same, and links and forms work.
"use strict";
(() => {
  const every = 5000;

  // The zone of this browser, so that the server shows times in it.
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const cookie = "courier_zone=" + encodeURIComponent(zone);
  if (zone && !document.cookie.split("; ").includes(cookie)) {
    const known = document.cookie.includes("courier_zone=");
    document.cookie = cookie + "; path=/; max-age=31536000; samesite=lax";
    if (!known && zone !== "UTC") {
      for (const time of document.querySelectorAll("time[datetime]")) {
        time.title = new Date(time.dateTime).toLocaleString(undefined, { timeZoneName: "short" }) + " · " + time.title;
      }
    }
  }

  // Updates. They stop while they are paused, while the page is hidden, and while somebody
  // types, chooses, reads an opened part or marks text in the live part.
  let paused = false;
  try { paused = sessionStorage.getItem("courier-paused") === "yes"; } catch (_) { /* no storage */ }
  const busy = (live) => {
    const active = document.activeElement;
    if (active && live.contains(active) && active !== live && active.matches("input, textarea, select, summary, button")) return true;
    if (live.querySelector("input:checked[type=checkbox], details[open]")) return true;
    const marked = document.getSelection();
    return Boolean(marked && !marked.isCollapsed && live.contains(marked.anchorNode));
  };
  const refresh = () => {
    const live = document.getElementById("live");
    if (!live || paused || document.hidden || busy(live) || !window.htmx) return;
    window.htmx.trigger(live, "courier:refresh");
  };
  const button = document.querySelector("[data-pause]");
  if (button) {
    const show = () => {
      button.textContent = paused ? "Resume updates" : "Pause updates";
      button.setAttribute("aria-pressed", String(paused));
    };
    button.hidden = false;
    button.addEventListener("click", () => {
      paused = !paused;
      try { sessionStorage.setItem("courier-paused", paused ? "yes" : "no"); } catch (_) { /* no storage */ }
      show();
      refresh();
    });
    show();
    setInterval(refresh, every);
  }
  // A link inside the live part keeps the focus over an update, by its address.
  let focused = null;
  document.addEventListener("htmx:beforeSwap", () => {
    const active = document.activeElement;
    const live = document.getElementById("live");
    focused = active && live && live.contains(active) ? active.getAttribute("href") : null;
  });
  document.addEventListener("htmx:afterSettle", () => {
    draw();
    if (!focused) return;
    const link = document.querySelector("#live a[href=\"" + CSS.escape(focused) + "\"]");
    if (link) link.focus({ preventScroll: true });
  });

  // Charts are drawn from the tables that say the same.
  const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const draw = () => {
    if (!window.uPlot) return;
    for (const chart of document.querySelectorAll("[data-chart]")) {
      const plot = chart.querySelector(".plot");
      const table = chart.querySelector("table");
      if (!plot || !table || plot.childElementCount) continue;
      const names = [...table.tHead.rows[0].cells].slice(1).map((cell) => cell.textContent);
      const rows = [...table.tBodies[0].rows];
      if (rows.length < 2) { plot.hidden = true; continue; }
      const data = [rows.map((row) => Date.parse(row.cells[0].querySelector("time").dateTime) / 1000)];
      names.forEach((_, i) => data.push(rows.map((row) => {
        const text = row.cells[i + 1].dataset.value;
        return text === undefined || text === "" ? null : Number(text);
      })));
      const palette = (chart.dataset.colors || "--busy --good --bad").split(" ");
      const grid = { stroke: color("--line"), width: 1 };
      const axis = { stroke: color("--quiet"), grid, ticks: grid, font: "11px system-ui" };
      const options = {
        width: plot.clientWidth, height: 170, cursor: { drag: { x: false, y: false } },
        scales: { y: { range: (_, low, high) => [0, Math.max(1, high * 1.1)] } },
        axes: [{ ...axis, values: (_, times) => times.map((at) => new Date(at * 1000).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hourCycle: "h23" })) }, { ...axis, size: 46, values: (_, ticks) => ticks.map((n) => n >= 1e6 ? n / 1e6 + "M" : n >= 1e3 ? n / 1e3 + "k" : String(n)) }],
        series: [{}, ...names.map((label, i) => ({
          label, stroke: color(palette[i % palette.length]), width: 1.8, dash: [[], [6, 3], [2, 3]][i % 3], points: { show: false }, spanGaps: false,
        }))],
      };
      const drawn = new window.uPlot(options, data, plot);
      new ResizeObserver(() => drawn.setSize({ width: plot.clientWidth, height: 170 })).observe(plot);
    }
  };

  // One box chooses all boxes of a form.
  document.addEventListener("change", (event) => {
    const all = event.target;
    if (!(all instanceof HTMLInputElement) || !all.hasAttribute("data-all")) return;
    for (const box of all.closest("form, .table").querySelectorAll("input[type=checkbox][name=\"" + all.dataset.all + "\"]")) box.checked = all.checked;
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    for (const plot of document.querySelectorAll("[data-chart] .plot")) plot.replaceChildren();
    draw();
  });
  draw();
})();
