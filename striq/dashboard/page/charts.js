// Charts as SVG text, drawn in the pixels of their place, so that letters have one size on every screen.
"use strict";

const escaped = (text) => String(text).replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`);
const percent = (share) => `${Math.round(100 * share)} %`;
const line = (x1, y1, x2, y2, kind) => `<line x1="${x1.toFixed(1)}" y1="${y1.toFixed(1)}" x2="${x2.toFixed(1)}" y2="${y2.toFixed(1)}" class="${kind}"/>`;
const words = (x, y, text, anchor = "middle") => `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" text-anchor="${anchor}">${escaped(text)}</text>`;
const path = (points, kind) => points.length > 1 ? `<polyline points="${points.map(([x, y]) => `${x.toFixed(1)},${y.toFixed(1)}`).join(" ")}" class="${kind}"/>` : "";

// Share with its interval on a line from 0 to 100 %.
function bar(group, width = 150, height = 16) {
  const place = (share) => 4 + share * (width - 8), middle = height / 2;
  const interval = group.interval ? line(place(group.interval[0]), middle, place(group.interval[1]), middle, "whisker") : "";
  return `<svg class="chart bar" role="img" aria-label="${percent(group.share)}" viewBox="0 0 ${width} ${height}">` +
    `<rect x="0" y="3" width="${width}" height="${height - 6}" rx="3" class="wash"/>${interval}` +
    `<circle cx="${place(group.share).toFixed(1)}" cy="${middle}" r="4" class="dot"/></svg>`;
}

function pointTitle(trend, i) {
  const one = trend.points[i], limits = trend.chart && trend.chart.limits[i];
  const interval = one.interval ? ` [${Math.round(100 * one.interval[0])}, ${percent(one.interval[1])}]` : "";
  return `${weekName(one.monday)}, from ${isoDate(one.monday)}: ${percent(one.share)}${interval} of ${one.count} frames, ` +
    `${one.studies} studies` + (limits ? `; limits ${percent(limits[0])} to ${percent(limits[1])}` : "");
}

// Indices of points whose labels leave room for one another: the last, the first, and those between.
function labelled(across, room) {
  const last = across.length - 1;
  if (last <= 0) return across.map((_, i) => i);
  const chosen = across[last] - across[0] >= room ? [0] : [];
  for (let i = 1; i < last; i++)
    if (chosen.length && across[i] - across[chosen[chosen.length - 1]] >= room && across[last] - across[i] >= room) chosen.push(i);
  return [...chosen, last];
}

// Accepted share by week: points with intervals, control limits as a band, average, and changes.
function trendChart(trend, width, height, label, { small = false } = {}) {
  const { points, chart, average } = trend, left = 40, right = width - 14, top = 8, bottom = height - (small ? 20 : 36);
  if (!points.length) return '<p class="soft">No dated frames.</p>';
  const first = points[0].monday, span = Math.max(points[points.length - 1].monday - first, 1);
  const across = points.map((one) => points.length > 1 ? left + 8 + ((one.monday - first) / span) * (right - left - 16) : (left + right) / 2);
  const down = (share) => bottom - Math.min(1, Math.max(0, share)) * (bottom - top);
  const parts = [`<rect x="${left}" y="${top}" width="${right - left}" height="${bottom - top}" class="wash"/>`];
  for (const share of small ? [0, 1] : [0, 0.25, 0.5, 0.75, 1])
    parts.push(line(left, down(share), right, down(share), "grid"), words(left - 5, down(share) + 4, percent(share), "end"));
  if (chart) {
    const edge = (side) => across.map((x, i) => [x, down(chart.limits[i][side])]);
    const outline = [...edge(1), ...edge(0).reverse()].map(([x, y]) => `${x.toFixed(1)},${y.toFixed(1)}`).join(" ");
    parts.push(`<polygon points="${outline}" class="band"/>`, line(left, down(chart.center), right, down(chart.center), "center"));
    if (!small)
      for (const side of [0, 1]) parts.push(path(across.map((x, i) => [x, down(average.limits[i][side])]), "limit"));
    parts.push(path(across.map((x, i) => [x, down(average.line[i])]), "average"));
  }
  for (const at of trend.changes) {
    const x = (across[at - 1] + across[at]) / 2;
    parts.push(line(x, top, x, bottom, "change"));
  }
  if (trend.changes.length)
    for (const part of stretches(trend)) parts.push(line(across[part.start], down(part.share), across[part.end], down(part.share), "stretch"));
  const hasRoom = !small && (right - left) / points.length > 5;
  points.forEach((one, i) => {
    const isOutside = chart && (chart.outside[i] || average.outside[i]);
    if (hasRoom && one.interval) parts.push(line(across[i], down(one.interval[0]), across[i], down(one.interval[1]), "error"));
    const kind = !isOutside ? "dot" : chart.outside[i] ? "dot outside" : "dot drift";
    const radius = (hasRoom ? 3 : 2.2) + (isOutside ? 1.5 : 0);
    parts.push(`<circle cx="${across[i].toFixed(1)}" cy="${down(one.share).toFixed(1)}" r="${radius}" class="${kind}"><title>${escaped(pointTitle(trend, i))}</title></circle>`);
  });
  for (const i of labelled(across, small ? 90 : 110)) {
    const anchor = across[i] > right - 36 ? "end" : across[i] < left + 36 ? "start" : "middle";
    parts.push(words(across[i], bottom + 15, weekName(points[i].monday), anchor));
    if (!small) parts.push(line(across[i], bottom, across[i], bottom + 4, "grid"), words(across[i], bottom + 30, isoDate(points[i].monday), anchor));
  }
  return `<svg class="chart" role="img" aria-label="${escaped(label)}" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">${parts.join("")}</svg>`;
}
