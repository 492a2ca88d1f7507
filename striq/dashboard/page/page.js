// Filters of the page, and what is drawn for them.
"use strict";

if (typeof document !== "undefined") {
  const data = JSON.parse(document.getElementById("data").textContent);
  const { cells, names } = data, form = document.querySelector(".filters"), groupNames = ["plane", "site", "model", "operator"];
  const place = (id) => document.getElementById(id);
  const titles = Object.fromEntries(groupNames.map((name) => [name, place(name).parentElement.firstChild.textContent]));
  let shown = null;

  for (const name of groupNames) {
    const sorted = names[name].map((label, i) => [label, i]).sort((a, b) => a[0].localeCompare(b[0]));
    for (const [label, i] of [["All", -1], ...sorted]) place(name).add(new Option(i < 0 ? label : named(label), i));
  }
  const days = cells.day.filter((day) => day >= 0);
  if (days.length) {
    const low = isoDate(days.reduce((a, b) => Math.min(a, b))), high = isoDate(days.reduce((a, b) => Math.max(a, b)));
    for (const id of ["from", "to"]) Object.assign(place(id), { min: low, max: high });
  }

  function chosen() {
    const day = (id) => (place(id).value ? Math.floor(Date.parse(place(id).value) / DAY) : null);
    return { ...Object.fromEntries(groupNames.map((name) => [name, Number(place(name).value)])), from: day("from"), to: day("to") };
  }

  function tile(value, text) {
    return `<div><dd>${value}</dd><dt>${text}</dt></div>`;
  }

  function draw() {
    const filters = chosen(), indices = passing(cells, filters), total = totalOf(cells, indices), trend = trendOf(cells, indices);
    const undated = indices.filter((i) => cells.day[i] < 0).reduce((sum, i) => sum + cells.count[i], 0);
    const interval = clusteredInterval([...total.studies.values()]);
    place("tiles").innerHTML = tile(total.count ? percent(total.accepted / total.count) : "–",
      `accepted${interval ? ` [${Math.round(100 * interval[0])}, ${percent(interval[1])}]` : ""}`) +
      tile(number(total.count), "frames") + tile(number(total.studies.size), "studies") + tile(number(total.none), "frames named none") +
      tile(trend.points.length, "weeks") + (undated ? tile(number(undated), "frames without a date, not in the charts over time") : "");
    const width = place("trend").clientWidth;
    place("trend").innerHTML = trendChart(trend, width, width < 500 ? 220 : 280, "Accepted share by week");
    place("changes").innerHTML = trend.changes.length ? `<p><b>Changes:</b> ${changeText(trend)}</p>`
      : `<p class="soft">${trend.chart ? "No change point." : `Fewer than ${FEW_WEEKS} weeks: no control limits.`}</p>`;
    const sections = groupNames.map((name) => [name, groupsBy(cells, indices, name, names[name])]);
    for (const [name, groups] of sections) place(`by-${name}`).innerHTML = groupSection(titles[name], groups, cells, place(`by-${name}`).clientWidth);
    if (data.checklists.length) {
      const all = passing(cells, { ...filters, plane: -1 });
      place("completeness").innerHTML = completenessTable(data, totalOf(cells, all).studies.keys());
    }
    place("worst").innerHTML = indices.length ? studyTable(data, cells, indices) : '<p class="soft">No frames.</p>';
    shown = { trend, sections, width: window.innerWidth };
  }

  form.addEventListener("change", draw);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(draw));
  window.addEventListener("resize", () => { if (window.innerWidth !== shown.width) draw(); });
  place("export").addEventListener("click", () => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob(["\ufeff", figuresCsv(shown.trend, shown.sections)], { type: "text/csv" }));
    link.download = "striq_figures.csv";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  });
  draw();
}
