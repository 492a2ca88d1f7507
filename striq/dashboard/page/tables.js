// Tables of groups, studies and examination types as HTML text, and the CSV of the figures.
"use strict";

const MOST_TRENDS = 12, MOST_STUDIES = 50; // small charts of a section, studies listed
const number = (count) => count.toLocaleString("en-US");
const named = (label) => label || "not stated";

function shareCell(group) {
  const interval = group.interval ? `<span class="interval">[${Math.round(100 * group.interval[0])}, ${percent(group.interval[1])}]</span>` : "";
  return `<td class="text share-cell">${bar(group)}<span class="value">${percent(group.share)}</span>${interval}`;
}

function groupRows(groups) {
  return groups.map((one) => `<tr><td class="text"><bdi>${escaped(named(one.label))}</bdi>${shareCell(one)}` +
    `<td>${number(one.count)}<small>${number(one.none)} none</small><td>${number(one.studies.size)}</tr>`).join("");
}

function groupTable(title, groups) {
  const heads = `<th class="text">${escaped(title)}<th class="text">Accepted share<th>Frames<th>Studies`;
  return `<div class="scroll" tabindex="0" role="region" aria-label="${escaped(title)}"><table class="groups"><thead><tr>${heads}</tr></thead><tbody>${groupRows(groups)}</tbody></table></div>`;
}

// Ranked groups with their charts; then those of few studies, by name.
function groupSection(title, groups, cells, width) {
  const ranked = groups.filter((one) => !one.few), few = groups.filter((one) => one.few);
  const parts = [];
  if (ranked.length) parts.push('<p class="soft">Lowest share first.</p>', groupTable(title, ranked));
  if (few.length) parts.push(`<h3>Fewer than ${FEW_STUDIES} studies: not ranked</h3>`, groupTable(title, few));
  const charted = ranked.slice(0, MOST_TRENDS);
  if (charted.length > 1) {
    const columns = Math.max(1, Math.floor(width / 320)), each = Math.floor((width - 16 * (columns - 1)) / columns);
    parts.push(`<div class="trends" style="grid-template-columns: repeat(${columns}, minmax(0, 1fr))">` + charted.map((one) => {
      const trend = trendOf(cells, one.part);
      return `<figure><figcaption><b><bdi>${escaped(named(one.label))}</bdi></b> ${changeText(trend)}</figcaption>${trendChart(trend, each, 120, `${named(one.label)} by week`, { small: true })}</figure>`;
    }).join("") + "</div>");
  }
  if (ranked.length > MOST_TRENDS) parts.push(`<p class="soft">Charts of the ${MOST_TRENDS} groups with the lowest share; filter to see another.</p>`);
  return parts.join("") || '<p class="soft">No frames.</p>';
}

function changeText(trend) {
  const parts = stretches(trend);
  return trend.changes.map((at, i) => `<span class="soft">${weekName(trend.points[at].monday)}: ${percent(parts[i].share)} → ${percent(parts[i + 1].share)}</span>`).join(" ");
}

function studyTable(data, cells, indices) {
  const total = totalOf(cells, indices), first = new Map();
  for (const i of indices) if (!first.has(cells.study[i])) first.set(cells.study[i], i);
  const worst = [...total.studies].sort((a, b) => a[1].quality / a[1].count - b[1].quality / b[1].count).slice(0, MOST_STUDIES);
  const hasPictures = worst.some(([study]) => data.pictures[study]);
  const rows = worst.map(([study, one], place) => {
    const i = first.get(study), day = cells.day[i];
    const origin = [day >= 0 ? isoDate(day) : "", data.names.site[cells.site[i]], data.names.operator[cells.operator[i]]].filter(Boolean);
    const found = data.checklists[study], picture = data.pictures[study];
    const gaps = found ? [["below threshold", found[2]], ["no frame", found[3]]].filter((one) => one[1]).map((one) => `${one[0]}: ${one[1]}`).join("; ") : "";
    return `<tr><td>${place + 1}${hasPictures ? `<td class="text">${picture ? `<img src="${picture}" alt="Worst frame" loading="lazy">` : ""}` : ""}` +
      `<td class="text"><bdi title="${escaped(data.names.study[study])}">${escaped(data.short[study])}</bdi><small>${escaped(origin.join(" · "))}</small>` +
      `<td>${(one.quality / one.count).toFixed(2)}<td>${percent(one.accepted / one.count)}<td>${number(one.count)}<td>${number(one.none)}` +
      `${data.checklists.length ? `<td class="text">${found ? escaped(found[1]) : "–"}${gaps ? `<small>${escaped(gaps)}</small>` : ""}` : ""}</tr>`;
  });
  const heads = `<th>#${hasPictures ? '<th class="text">Worst frame' : ""}<th class="text">Study<th>Mean Q<th>Accepted<th>Frames<th>Named none${data.checklists.length ? '<th class="text">Completeness' : ""}`;
  const more = total.studies.size > worst.length ? `<p class="soft">The first ${worst.length} of ${number(total.studies.size)} studies.</p>` : "";
  return `<div class="scroll" tabindex="0" role="region" aria-label="Studies"><table class="studies"><thead><tr>${heads}</tr></thead><tbody>${rows.join("")}</tbody></table></div>${more}`;
}

// Studies by examination type: how many are complete, with Wilson's interval; studies are independent.
function completenessOf(data, studies) {
  const types = new Map();
  for (const study of studies) {
    const found = data.checklists[study], name = found ? found[0] : "";
    const one = types.get(name) || { label: name || "Type not stated, or not in the policy", count: 0, complete: 0, incomplete: 0, "not assessed": 0, isKnown: Boolean(found) };
    types.set(name, one);
    one.count++;
    if (found) one[found[1]]++;
  }
  return [...types.values()].sort((a, b) => b.isKnown - a.isKnown || a.label.localeCompare(b.label));
}

function completenessTable(data, studies) {
  const rows = completenessOf(data, studies).map((one) => {
    const share = one.isKnown ? shareCell({ share: one.complete / one.count, interval: wilson(one.complete, one.count) }) : '<td class="text">–';
    return `<tr><td class="text">${escaped(one.label)}${share}<td>${number(one.count)}<td>${one.isKnown ? number(one.incomplete) : "–"}<td>${one.isKnown ? number(one["not assessed"]) : "–"}</tr>`;
  });
  return `<div class="scroll" tabindex="0" role="region" aria-label="Completeness"><table class="groups"><thead><tr><th class="text">Examination type<th class="text">Complete<th>Studies<th>Incomplete<th>Not assessed</tr></thead><tbody>${rows.join("")}</tbody></table></div>`;
}

// A cell that no spreadsheet takes for a formula.
function csvCell(value) {
  const text = String(value), safe = /^[=+@-]/.test(text) && Number.isNaN(Number(text)) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replace(/"/g, '""')}"` : safe;
}

function figuresCsv(trend, sections) {
  const rows = [["group", "name", "accepted_share", "low", "high", "frames", "accepted", "named_none", "studies", "lower_limit", "upper_limit", "ewma", "outside", "change_point"]];
  const round = (value) => (value === undefined || value === null ? "" : Number(value.toFixed(6)));
  const ends = (interval) => (interval || ["", ""]).map((end) => (end === "" ? "" : round(end)));
  trend.points.forEach((one, i) => rows.push(["week", weekName(one.monday), round(one.share), ...ends(one.interval), one.count, one.accepted, "", one.studies,
    ...(trend.chart ? [...trend.chart.limits[i].map(round), round(trend.average.line[i]), trend.chart.outside[i] || trend.average.outside[i]] : ["", "", "", ""]),
    trend.changes.includes(i)]));
  for (const [name, groups] of sections)
    for (const one of groups) rows.push([name, one.label, round(one.share), ...ends(one.interval), one.count, one.accepted, one.none, one.studies.size, "", "", "", "", ""]);
  return rows.map((row) => row.map(csvCell).join(",") + "\r\n").join("");
}
