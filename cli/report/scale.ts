/** From a time to a place. */
export type Scale = (time: number) => number;

export function linearScale(from: number, until: number, left: number, right: number): Scale {
  return (time) => left + ((time - from) / (until - from)) * (right - left);
}

/** The shortest distance between two anchors in a share of the longest, so that milliseconds stay apart beside days. */
const LEAST = 1.2;

/**
 * Stretches time between anchors: the distance of two neighbours grows with the logarithm of what lies between them, and
 * is linear inside. So a refresh, its promotion 0.3 s later and the end of the grace period a day later all show.
 */
export function anchoredScale(
  anchors: readonly number[],
  from: number,
  until: number,
  left: number,
  right: number,
): Scale {
  const inside = anchors.filter((time) => time > from && time < until);
  const stops = [...new Set([from, ...inside, until])].sort((a, b) => a - b);
  const places = [0];
  for (let i = 1; i < stops.length; i++) {
    const gap = (stops[i] as number) - (stops[i - 1] as number);
    places.push((places[i - 1] as number) + LEAST + Math.log10(1 + gap / 100));
  }
  const width = places.at(-1) as number;
  return (time) => {
    const after = stops.findIndex((stop) => stop >= time);
    if (after === 0 || time <= from) return left;
    if (after < 0) return right;
    const [a, b] = [stops[after - 1] as number, stops[after] as number];
    const [p, q] = [places[after - 1] as number, places[after] as number];
    return left + ((p + ((time - a) / (b - a)) * (q - p)) / width) * (right - left);
  };
}
