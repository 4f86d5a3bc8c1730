"use strict";
(async () => {
  const read = (id) => JSON.parse(document.getElementById(id).textContent);
  const data = read("data"), items = read("items");
  const element = (id) => document.getElementById(id);
  const n = data.ids.length, years = data.years, count = years.length;

  // --- numbers ---
  const decode = (text) => {
    const raw = atob(text), bytes = new Uint8Array(raw.length);
    for (let k = 0; k < raw.length; k++) bytes[k] = raw.charCodeAt(k);
    return new Float32Array(bytes.buffer);
  };
  const decoded = (group) => Object.fromEntries(Object.entries(group).map(([name, text]) => [name, decode(text)]));
  const series = decoded(data.series), means = decoded(data.means), low = decoded(data.low), high = decoded(data.high);
  const area = decode(data.area), heights = decoded(data.profiles);
  const of = (values, row) => values.subarray(row * count, (row + 1) * count);
  const words = (value, digits) => {
    if (!Number.isFinite(value)) return "–";
    const text = value.toFixed(digits);
    return Number(text) === 0 ? text.replace("-", "") : text.replace("-", "−");
  };
  const title = (row) => (data.names[row] ? `${data.names[row]} (${data.ids[row]})` : data.ids[row]);

  const make = (tag, text, attributes = {}) => {
    const made = document.createElement(tag);
    if (text !== undefined) made.textContent = text;
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    return made;
  };

  // --- figures: drawn when they are needed ---
  Bokeh.set_log_level("error"); // it warns of figures that have no data yet
  const drawn = {};
  const draw = async (name) => {
    if (!(name in items)) return null;
    if (!(name in drawn)) {
      drawn[name] = Bokeh.embed.embed_item(items[name], name).then((views) => [...views][0].model.document);
      delete items[name].doc;
    }
    return drawn[name];
  };
  const fill = (figure, name, columns) => {
    const source = figure && figure.get_model_by_name(name);
    if (source) source.data = columns;
  };
  const patches = (x, lower, upper) => {
    const xs = [], ys = [];
    let part = [];
    for (let k = 0; k <= x.length; k++) {
      if (k < x.length && Number.isFinite(lower[k]) && Number.isFinite(upper[k])) { part.push(k); continue; }
      if (part.length) {
        const back = [...part].reverse();
        xs.push([...part.map((i) => x[i]), ...back.map((i) => x[i])]);
        ys.push([...part.map((i) => upper[i]), ...back.map((i) => lower[i])]);
        part = [];
      }
    }
    return { xs, ys };
  };

  // --- state ---
  let chosen = data.first, year = null, sortedBy = { key: "area", down: true }, showAll = false;
  const balance = (row) => (year === null ? means.specific_mb[row] : of(series.specific_mb, row)[year]);
  const when = () => (year === null ? `mean of ${years[0]} to ${years[count - 1]}` : `${years[year]}`);

  // --- map ---
  const mapDocument = await draw("map");
  const map = mapDocument.get_model_by_name("map"), extent = map.tags[0];
  const layers = ["outlines", "discs"].map((name) => mapDocument.get_model_by_name(name)).filter(Boolean);
  let view = extent;
  const fit = (frame) => {
    view = frame;
    const w = map.inner_width, h = map.inner_height;
    if (!(w > 0 && h > 0)) return;
    const [west, south, east, north] = frame;
    const scale = Math.max((east - west) / w, (north - south) / h) / 2;
    const x = (west + east) / 2, y = (south + north) / 2;
    map.x_range.setv({ start: x - scale * w, end: x + scale * w });
    map.y_range.setv({ start: y - scale * h, end: y + scale * h });
  };
  const ranges = () => [map.x_range.start, map.y_range.start, map.x_range.end, map.y_range.end];
  const zoom = (factor) => {
    const [west, south, east, north] = ranges();
    const x = (west + east) / 2, y = (south + north) / 2;
    fit([x + (west - x) * factor, y + (south - y) * factor, x + (east - x) * factor, y + (north - y) * factor]);
  };
  const move = (dx, dy) => {
    const [west, south, east, north] = ranges(), x = dx * (east - west), y = dy * (north - south);
    fit([west + x, south + y, east + x, north + y]);
  };
  const zoomToChosen = () => {
    const frame = frameOf(chosen);
    if (frame) fit(frame);
  };
  const frameOf = (row) => {
    const outlines = mapDocument.get_model_by_name("outlines");
    const at = outlines ? [...outlines.data.row].indexOf(row) : -1;
    if (at >= 0) {
      const xs = outlines.data.xs[at].map((part) => [...part[0]]).flat();
      const ys = outlines.data.ys[at].map((part) => [...part[0]]).flat();
      const [west, east, south, north] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
      const margin = 0.3 * Math.max(east - west, north - south);
      return [west - margin, south - margin, east + margin, north + margin];
    }
    const discs = mapDocument.get_model_by_name("discs"), disc = discs ? [...discs.data.row].indexOf(row) : -1;
    if (disc < 0) return null;
    const x = discs.data.x[disc], y = discs.data.y[disc], half = (extent[2] - extent[0]) / 20;
    return [x - half, y - half, x + half, y + half];
  };
  map.properties.inner_width.change.connect(() => fit(view));
  map.properties.inner_height.change.connect(() => fit(view));
  fit(extent);
  if (matchMedia("(pointer: coarse)").matches) {
    for (const tool of map.toolbar.tools) if (tool.type === "PanTool") tool.active = false; // a finger scrolls the page
  }
  const colour = () => {
    for (const source of layers) {
      const rows = [...source.data.row], value = rows.map(balance);
      const label = rows.map((row, k) => `${title(row)}: ${Number.isFinite(value[k]) ? words(value[k], 2) + " m w.e. a⁻¹" : "no value"}, ${when()}`);
      source.data = { ...source.data, value, label };
      if (source.name === "outlines") {
        const lacks = rows.map((_, k) => k).filter((k) => !Number.isFinite(value[k]));
        fill(mapDocument, "without", { xs: lacks.map((k) => source.data.xs[k]), ys: lacks.map((k) => source.data.ys[k]) });
      }
    }
    element("shown-year").textContent = when();
    element("map-shows").textContent = year === null ? `Mean of ${years[0]} to ${years[count - 1]}.` : `${years[year]}.`;
    element("year").setAttribute("aria-valuetext", String(years[element("year").value]));
  };
  for (const source of layers) {
    source.selected.properties.indices.change.connect(() => {
      const [at] = source.selected.indices;
      if (at === undefined) return;
      const row = source.data.row[at];
      source.selected.indices = [];
      choose(row);
    });
  }
  const mark = () => {
    const outlines = mapDocument.get_model_by_name("outlines"), discs = mapDocument.get_model_by_name("discs");
    const at = outlines ? [...outlines.data.row].indexOf(chosen) : -1, disc = discs ? [...discs.data.row].indexOf(chosen) : -1;
    fill(mapDocument, "chosen", at < 0 ? { xs: [], ys: [] } : { xs: [outlines.data.xs[at]], ys: [outlines.data.ys[at]] });
    fill(mapDocument, "ring", disc < 0 ? { x: [], y: [] } : { x: [discs.data.x[disc]], y: [discs.data.y[disc]] });
  };

  // --- one glacier ---
  const range = (values, digits) => {
    const known = [...values].filter(Number.isFinite);
    return known.length ? `${words(Math.min(...known), digits)} to ${words(Math.max(...known), digits)}` : "no values";
  };
  const describe = (name, text) => {
    const plot = element(name);
    if (plot) plot.setAttribute("aria-label", text);
  };
  const showGlacier = async (pause) => {
    const row = chosen, warnings = data.warnings[row];
    element("glacier-title").textContent = title(row);
    const place = Number.isFinite(data.lat[row]) ? `, ${Math.abs(data.lat[row]).toFixed(3)}°${data.lat[row] < 0 ? "S" : "N"} ${Math.abs(data.lon[row]).toFixed(3)}°${data.lon[row] < 0 ? "W" : "E"}` : "";
    const size = Number.isFinite(area[row]) ? `${words(area[row], 2)} km² in the inventory` : "area unknown";
    element("glacier-facts").textContent = `${size}${place}; mean balance of all years ${words(means.specific_mb[row], 2)} m w.e. a⁻¹`;
    element("glacier-warnings").replaceChildren(...warnings.map((text) => make("li", text)));
    const x = years.map(Number);
    const main = await draw("glacier_series");
    for (const name of ["specific_mb", "winter_mb", "summer_mb"]) {
      if (name in series) fill(main, `line_${name}`, { x, y: [...of(series[name], row)] });
      if (name in low) fill(main, `band_${name}`, patches(x, of(low[name], row), of(high[name], row)));
    }
    describe("glacier_series", `Balances of ${title(row)}, ${years[0]} to ${years[count - 1]}: annual ${range(of(series.specific_mb, row), 2)} m w.e. The numbers are in the table by year below.`);
    numbers(row);
    await pause();
    const begin = data.profileBegins[row], end = data.profileBegins[row + 1], plot = document.querySelector('[data-of="glacier_profile"]');
    if (plot) plot.hidden = begin === end;
    element("no-profile").hidden = begin !== end || !data.someProfiles;
    if (begin !== end) {
      const part = (name) => [...heights[name].subarray(begin, end)], y = part("heights");
      const profile = await draw("glacier_profile");
      fill(profile, "profile", { x: part("mean"), y });
      const band = patches(y, part("low"), part("high"));
      fill(profile, "profile_band", { xs: band.ys, ys: band.xs });
      describe("glacier_profile", `Balance of ${title(row)} by height from ${y[0].toFixed(0)} to ${y[y.length - 1].toFixed(0)} m: ${range(part("mean"), 2)} m w.e. a year.`);
    }
    for (const [name, unit, digits] of [["ela", "m", 0], ["aar", "", 2], ["volume", "km³", 3], ["area", "km²", 3]]) {
      if (!(name in series)) continue;
      await pause();
      if (row !== chosen) return; // another one has been chosen meanwhile
      fill(await draw(`glacier_${name}`), `line_${name}`, { x, y: [...of(series[name], row)] });
      describe(`glacier_${name}`, `${data.words[name]} of ${title(row)}: ${range(of(series[name], row), digits)} ${unit}`);
    }
  };
  const numbers = (row) => {
    const columns = data.columns.filter(([name]) => name in series);
    const head = make("tr");
    head.append(make("th", "Year", { scope: "col" }));
    for (const [, label, unit] of columns) {
      const cell = make("th", label, { scope: "col" });
      cell.append(make("small", unit));
      head.append(cell);
    }
    const body = years.map((y, k) => {
      const line = make("tr");
      line.append(make("th", String(y), { scope: "row" }));
      for (const [name, , , digits] of columns) {
        let text = words(of(series[name], row)[k], digits);
        if (name in low && Number.isFinite(of(low[name], row)[k])) text += ` (${words(of(low[name], row)[k], digits)} to ${words(of(high[name], row)[k], digits)})`;
        line.append(make("td", text, { "data-of": name }));
      }
      return line;
    });
    const thead = make("thead"), tbody = make("tbody");
    thead.append(head);
    tbody.append(...body);
    element("numbers").replaceChildren(thead, tbody);
  };
  const choose = async (row, pause = () => null) => {
    chosen = row;
    mark();
    markRow();
    await showGlacier(pause);
    if (row === chosen) element("glacier").dataset.row = String(row);
  };

  // --- table ---
  const last = (values, row) => of(values, row)[count - 1];
  const columns = [
    { key: "title", label: "Glacier", unit: "", value: (row) => data.names[row] || data.ids[row] },
    { key: "area", label: "Area", unit: "km²", digits: 2, value: (row) => area[row] },
    { key: "mean", label: "Balance, mean", unit: "m w.e. a⁻¹", digits: 2, value: (row) => means.specific_mb[row] },
    { key: "year", label: "", unit: "m w.e. a⁻¹", digits: 2, value: (row) => of(series.specific_mb, row)[year ?? count - 1] },
    ...[["winter_mb", "Winter, mean", "m w.e."], ["summer_mb", "Summer, mean", "m w.e."], ["ela", "ELA, mean", "m", 0], ["aar", "AAR, mean", ""]]
      .filter(([name]) => name in means)
      .map(([name, label, unit, digits = 2]) => ({ key: name, label, unit, digits, wide: true, value: (row) => means[name][row] })),
    ..."volume" in series ? [{ key: "volume", label: `Volume ${years[count - 1]}`, unit: "km³", digits: 3, wide: true, value: (row) => last(series.volume, row) }] : [],
    { key: "warnings", label: "Warnings", unit: "", digits: 0, value: (row) => data.warnings[row].length },
  ];
  const plain = (text) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
  const searched = data.ids.map((id, row) => plain(`${id} ${data.names[row]}`));
  const rowElements = new Map();
  const cellText = (column, row) => words(column.value(row), column.digits);
  const found = () => {
    const wanted = plain(element("search").value.trim());
    const rows = [...Array(n).keys()].filter((row) => searched[row].includes(wanted));
    const { value } = columns.find(({ key }) => key === sortedBy.key), sign = sortedBy.down ? -1 : 1;
    const isMissing = (v) => typeof v === "number" && !Number.isFinite(v);
    return rows.sort((a, b) => {
      const one = value(a), two = value(b);
      if (isMissing(one) || isMissing(two)) return isMissing(one) - isMissing(two);
      return sign * (typeof one === "string" ? one.localeCompare(two) : one - two) || a - b;
    });
  };
  const makeRow = (row) => {
    const line = make("tr"), first = make("td"), button = make("button", data.names[row] || data.ids[row], { type: "button" });
    if (data.names[row]) button.append(make("small", data.ids[row]));
    button.addEventListener("click", async () => {
      await choose(row);
      element("glacier-title").focus();
    });
    first.append(button);
    line.append(first);
    for (const column of columns.slice(1)) line.append(make("td", cellText(column, row), { "data-of": column.key, ...(column.wide ? { class: "wide" } : {}) }));
    line.dataset.row = row;
    rowElements.set(row, line);
    return line;
  };
  const header = make("tr");
  for (const column of columns) {
    const cell = make("th", undefined, { scope: "col", ...(column.wide ? { class: "wide" } : {}) });
    const button = make("button", column.label, { type: "button" });
    button.addEventListener("click", () => {
      sortedBy = { key: column.key, down: sortedBy.key === column.key ? !sortedBy.down : column.key !== "title" };
      listRows();
    });
    column.cell = cell;
    column.button = button;
    cell.append(button, make("small", column.unit));
    header.append(cell);
  }
  const head = make("thead"), body = make("tbody");
  head.append(header);
  element("glaciers").append(head, body);
  const markRow = () => {
    for (const [row, line] of rowElements) line.classList.toggle("chosen", row === chosen);
  };
  const listRows = () => {
    columns.find(({ key }) => key === "year").button.textContent = `Balance, ${years[year ?? count - 1]}`;
    for (const { cell, button } of columns) cell.dataset.label = button.textContent; // for print
    const rows = found(), shown = showAll ? rows : rows.slice(0, data.rowsShown);
    rowElements.clear();
    body.replaceChildren(...shown.map(makeRow));
    markRow();
    for (const { key, cell } of columns) {
      if (key === sortedBy.key) cell.setAttribute("aria-sort", sortedBy.down ? "descending" : "ascending");
      else cell.removeAttribute("aria-sort");
    }
    element("found").textContent = `${rows.length} of ${n} glacier${n === 1 ? "" : "s"}${shown.length < rows.length ? `, the first ${shown.length} shown` : ""}`;
    element("more").hidden = shown.length === rows.length;
    element("more").textContent = `Show all ${rows.length}`;
  };

  // --- controls ---
  const setYear = (index) => {
    year = index;
    colour();
    listRows();
  };
  element("year").addEventListener("input", () => {
    element("mean").checked = false;
    setYear(Number(element("year").value));
  });
  element("mean").addEventListener("change", () => setYear(element("mean").checked ? null : Number(element("year").value)));
  element("search").addEventListener("input", listRows);
  element("search").addEventListener("keydown", (event) => {
    const [first] = found();
    if (event.key === "Enter" && first !== undefined) choose(first).then(() => element("glacier-title").focus());
  });
  element("more").addEventListener("click", () => { showAll = true; listRows(); });
  const actions = { "zoom-in": () => zoom(0.5), "zoom-out": () => zoom(2), "zoom-all": () => fit(extent), "zoom-chosen": zoomToChosen };
  for (const [id, action] of Object.entries(actions)) element(id).addEventListener("click", action);
  const keys = { ArrowLeft: () => move(-0.2, 0), ArrowRight: () => move(0.2, 0), ArrowUp: () => move(0, 0.2), ArrowDown: () => move(0, -0.2), "+": actions["zoom-in"], "-": actions["zoom-out"], 0: actions["zoom-all"] };
  element("map").addEventListener("keydown", (event) => {
    if (!(event.key in keys) || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    keys[event.key]();
  });
  // A print has another width: figures keep theirs, or they would be cut or empty.
  addEventListener("beforeprint", () => { for (const plot of document.querySelectorAll(".plot")) plot.style.width = `${plot.offsetWidth}px`; });
  addEventListener("afterprint", () => { for (const plot of document.querySelectorAll(".plot")) plot.style.width = ""; });

  // What is seen first comes first; the other figures follow while nothing else is to do.
  const root = document.documentElement.dataset;
  const pause = () => {
    root.ready = "true";
    return new Promise((resolve) => (window.requestIdleCallback || setTimeout)(resolve));
  };
  setYear(null);
  await choose(chosen, pause);
  for (const name of ["region_series", "region_sum", "region_total"]) {
    await pause();
    await draw(name);
  }
  root.drawn = "true";
})();
