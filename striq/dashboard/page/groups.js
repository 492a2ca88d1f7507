// Counts of the frames that the filters leave: pure functions on the columns that the page holds.
"use strict";

const FEW_STUDIES = 10; // a group with fewer is listed, not ranked
const FEW_WEEKS = 8; // with fewer, no control limits are drawn
const DAY = 86400000;

// Days since 1970 of the Monday of a day's ISO week; 1970-01-01 was a Thursday.
const mondayOf = (day) => day - ((day + 3) % 7);
const isoDate = (day) => new Date(day * DAY).toISOString().slice(0, 10);

// ISO week of a Monday, such as 2024-W05: the week belongs to the year of its Thursday.
function weekName(monday) {
  const year = new Date((monday + 3) * DAY).getUTCFullYear();
  const first = mondayOf(Date.UTC(year, 0, 4) / DAY);
  return `${year}-W${String((monday - first) / 7 + 1).padStart(2, "0")}`;
}

// Indices of the cells that pass the filters; a filter of -1 or null lets all pass. Undated cells pass without dates.
function passing(cells, filters) {
  const dated = filters.from !== null || filters.to !== null, found = [];
  for (let i = 0; i < cells.count.length; i++) {
    const day = cells.day[i];
    if (dated && (day < 0 || (filters.from !== null && day < filters.from) || (filters.to !== null && day > filters.to)))
      continue;
    if (["plane", "site", "model", "operator"].every((name) => filters[name] < 0 || filters[name] === cells[name][i]))
      found.push(i);
  }
  return found;
}

// Totals of some cells: frames, accepted frames, frames named none, sum of Q, and its studies.
function totalOf(cells, indices) {
  const total = { count: 0, accepted: 0, none: 0, quality: 0 }, studies = new Map();
  for (const i of indices) {
    total.count += cells.count[i];
    total.accepted += cells.accepted[i];
    total.none += cells.none[i];
    total.quality += cells.quality[i];
    const study = studies.get(cells.study[i]) || { accepted: 0, count: 0, none: 0, quality: 0 };
    studies.set(cells.study[i], study);
    study.accepted += cells.accepted[i];
    study.count += cells.count[i];
    study.none += cells.none[i];
    study.quality += cells.quality[i];
  }
  return { ...total, studies };
}

function splitBy(indices, keyOf) {
  const groups = new Map();
  for (const i of indices) {
    const key = keyOf(i);
    if (groups.has(key)) groups.get(key).push(i);
    else groups.set(key, [i]);
  }
  return groups;
}

// One group per value: ranked ones by accepted share, lowest first, then those of few studies by name.
function groupsBy(cells, indices, name, labels) {
  const groups = [...splitBy(indices, (i) => cells[name][i])].map(([value, part]) => {
    const total = totalOf(cells, part);
    return { value, label: labels[value], part, ...total, few: total.studies.size < FEW_STUDIES,
      share: total.accepted / total.count, interval: clusteredInterval([...total.studies.values()]) };
  });
  const byName = (a, b) => a.label.localeCompare(b.label);
  return [...groups.filter((one) => !one.few).sort((a, b) => a.share - b.share || byName(a, b)),
    ...groups.filter((one) => one.few).sort(byName)];
}

// Weeks of some cells in order of time, with limits, average and change points.
function trendOf(cells, indices) {
  const dated = indices.filter((i) => cells.day[i] >= 0);
  const weeks = [...splitBy(dated, (i) => mondayOf(cells.day[i]))].sort((a, b) => a[0] - b[0])
    .map(([monday, part]) => ({ monday, ...totalOf(cells, part) }));
  const effect = designEffect([...totalOf(cells, dated).studies.values()]) || 1;
  const points = weeks.map((week) => ({ monday: week.monday, count: week.count, accepted: week.accepted,
    studies: week.studies.size, share: week.accepted / week.count,
    interval: wilson(week.accepted / effect, week.count / effect) }));
  if (points.length < FEW_WEEKS) return { points, chart: null, average: null, changes: [] };
  const chart = pChart(points);
  const average = ewma(points.map((one) => one.share), chart.center, chart.sigma);
  return { points, chart, average, changes: changePoints(points) };
}

// Stretches between changes: first and last index, and their share.
function stretches(trend) {
  const starts = [0, ...trend.changes], ends = [...trend.changes, trend.points.length];
  return starts.map((start, i) => {
    const part = trend.points.slice(start, ends[i]);
    const sum = (name) => part.reduce((total, one) => total + one[name], 0);
    return { start, end: ends[i] - 1, share: sum("accepted") / sum("count") };
  });
}
