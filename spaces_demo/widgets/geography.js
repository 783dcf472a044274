// Licensed under the Apache License, Version 2.0; see LICENSE. Copyright 2026 The GAIR for Hugging Face contributors.
//
// The geography of all maps, from the folder `geography`: coasts and borders, and the names of places.

"use strict";

/** A file of the Space, beside this script; the version in its address keeps browsers from showing an old one. */
const gairFile = ((script) => async (path) => {
  const answer = await fetch(new URL(path, script));
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  return answer.json();
})(new URL(document.currentScript.src));

const gairOnce = (make) => {
  let made = null;
  return () => (made ??= make());
};

/** Land, coasts and borders as paths in degrees, x to the east and y to the north. */
const gairOutlines = gairOnce(async () => {
  const { per_degree: unit, land, borders } = await gairFile("land.json");
  const paths = { land: new Path2D(), coasts: new Path2D(), borders: new Path2D() };
  const points = (steps) => {
    let [x, y] = [0, 0];
    return Array.from({ length: steps.length / 2 }, (_, at) => [(x += steps[2 * at]) / unit, (y += steps[2 * at + 1]) / unit]);
  };
  const trace = (path, line) => line.forEach(([x, y], at) => (at ? path.lineTo(x, y) : path.moveTo(x, y)));
  land.flat().map(points).forEach((ring) => {
    trace(paths.land, ring);
    paths.land.closePath();
    // Antarctica is closed along the pole, which is no coast.
    trace(paths.coasts, ring.filter(([, y]) => y > -90));
    if (ring.every(([, y]) => y > -90)) paths.coasts.closePath();
  });
  borders.map(points).forEach((line) => trace(paths.borders, line));
  return paths;
});

/** A name in small letters without accents. */
const gairPlain = (name) => name.normalize("NFKD").replace(/\p{Mn}/gu, "").toLowerCase();

/** Places in the order of inhabitants: name, country, lon, lat; all names and the country (`land`) in plain letters. */
const gairPlaces = gairOnce(async () => {
  const { countries, places } = await gairFile("places.json");
  return places.map(([name, code, lon, lat, ...others]) => ({
    name, country: countries[code], lon, lat, names: [gairPlain(name), ...others], land: gairPlain(countries[code]),
  }));
});

/** The largest places whose names begin with what is typed, then by names in other languages, then those that contain it. */
async function gairFindPlaces(typed, most) {
  // "town, country" narrows it down.
  const [name, country = ""] = gairPlain(typed).split(",").map((part) => part.trim());
  if (!name) return [];
  const rank = ({ names }) =>
    [names[0].startsWith(name), names.some((known) => known.startsWith(name)), names.some((known) => known.includes(name))].indexOf(true);
  const ranked = (await gairPlaces())
    .filter((place) => place.land.startsWith(country))
    .map((place) => ({ place, rank: rank(place) }))
    .filter((found) => found.rank >= 0)
    .sort((one, other) => one.rank - other.rank);
  return ranked.slice(0, most).map(({ place }) => place);
}
