// Statistics of accepted shares: pure functions on counts. Tests run them in Node against independent references.
"use strict";

// Wilson's score interval of a share of `accepted` of `count`; z = 1.96 for 95 %. `count` may be an effective size.
function wilson(accepted, count, z = 1.959963984540054) {
  if (!(count > 0)) return null;
  const share = accepted / count, square = z * z, scale = 1 + square / count;
  const middle = (share + square / (2 * count)) / scale;
  const half = (z / scale) * Math.sqrt((share * (1 - share)) / count + square / (4 * count * count));
  return [share <= 0 ? 0 : Math.max(0, middle - half), share >= 1 ? 1 : Math.min(1, middle + half)];
}

// How many times larger the variance of the share is than that of independent frames, because frames of one study are
// alike: linearized variance over studies [{accepted, count}]. At least 1; null for a single study.
function designEffect(studies) {
  if (studies.length < 2) return null;
  const count = studies.reduce((sum, one) => sum + one.count, 0);
  const share = studies.reduce((sum, one) => sum + one.accepted, 0) / count;
  if (share <= 0 || share >= 1) return Math.max(1, count / studies.length);
  const squares = studies.reduce((sum, one) => sum + (one.accepted - share * one.count) ** 2, 0);
  const variance = (studies.length / (studies.length - 1)) * squares / count ** 2;
  return Math.max(1, variance / ((share * (1 - share)) / count));
}

// Wilson's interval with the effective number of frames; null for a single study.
function clusteredInterval(studies) {
  const effect = designEffect(studies);
  if (effect === null) return null;
  const sum = (name) => studies.reduce((total, one) => total + one[name], 0);
  return wilson(sum("accepted") / effect, sum("count") / effect);
}

// p chart with Laney's correction: limits at three standard deviations of a share, times the variation between points
// (mean moving range of their z values / 1.128), at least 1. With `corrected` false, the p chart of independent frames.
function pChart(points, corrected = true) {
  const count = points.reduce((sum, one) => sum + one.count, 0);
  const center = points.reduce((sum, one) => sum + one.accepted, 0) / count;
  const deviation = points.map((one) => Math.sqrt((center * (1 - center)) / one.count));
  const z = points.map((one, i) => (deviation[i] ? (one.accepted / one.count - center) / deviation[i] : 0));
  const ranges = z.slice(1).map((value, i) => Math.abs(value - z[i]));
  const mean = ranges.length ? ranges.reduce((sum, one) => sum + one, 0) / ranges.length : 0;
  const factor = corrected ? Math.max(1, mean / 1.128) : 1;
  const sigma = deviation.map((one) => one * factor);
  const limits = sigma.map((one) => [Math.max(0, center - 3 * one), Math.min(1, center + 3 * one)]);
  const outside = points.map((one, i) => {
    const share = one.accepted / one.count;
    return share < limits[i][0] - 1e-12 || share > limits[i][1] + 1e-12;
  });
  return { center, factor, sigma, limits, outside };
}

// Exponentially weighted moving average of values with their own standard deviations, and its limits.
function ewma(values, center, sigma, weight = 0.2, width = 3) {
  let level = center, variance = 0;
  const line = [], limits = [], outside = [];
  values.forEach((value, i) => {
    level = weight * value + (1 - weight) * level;
    variance = weight ** 2 * sigma[i] ** 2 + (1 - weight) ** 2 * variance;
    const half = width * Math.sqrt(variance);
    line.push(level);
    limits.push([center - half, center + half]);
    outside.push(Math.abs(level - center) > half + 1e-12);
  });
  return { line, limits, outside };
}

// Random numbers in [0, 1) that are the same at each opening of the page (mulberry32).
function randomNumbers(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

// The split of points that separates their shares most: {at: index of the first point after it, height}.
function bestSplit(points, shortest) {
  const total = points.reduce((sum, one) => ({ accepted: sum.accepted + one.accepted, count: sum.count + one.count }),
    { accepted: 0, count: 0 });
  let accepted = 0, count = 0, best = { at: -1, height: -1 };
  for (let i = 0; i < points.length - shortest; i++) {
    accepted += points[i].accepted;
    count += points[i].count;
    if (i + 1 < shortest) continue;
    const rest = total.count - count;
    const height = (accepted / count - (total.accepted - accepted) / rest) ** 2 / (1 / count + 1 / rest);
    if (height > best.height) best = { at: i + 1, height };
  }
  return best;
}

// Change points by binary segmentation: the best split counts if at most `level` of the random orders of the points
// have one as high; then both sides are split further. Returns indices of the first points after a change.
function changePoints(points, { level = 0.01, shortest = 4, orders = 499, seed = 1 } = {}) {
  const random = randomNumbers(seed), found = [];
  const search = (start, end) => {
    const part = points.slice(start, end);
    if (part.length < 2 * shortest) return;
    const split = bestSplit(part, shortest), shuffled = part.slice();
    let higher = 1;
    for (let order = 0; order < orders && higher <= level * (orders + 1); order++) {
      for (let i = shuffled.length - 1; i > 0; i--) {
        const j = Math.floor(random() * (i + 1));
        [shuffled[i], shuffled[j]] = [shuffled[j], shuffled[i]];
      }
      if (bestSplit(shuffled, shortest).height >= split.height - 1e-12) higher++;
    }
    if (higher > level * (orders + 1)) return;
    found.push(start + split.at);
    search(start, start + split.at);
    search(start + split.at, end);
  };
  search(0, points.length);
  return found.sort((a, b) => a - b);
}
