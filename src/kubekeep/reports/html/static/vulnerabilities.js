// Vulnerabilities of packages: decoded from the data of the page, filtered, grouped and shown in pages.

/**
 * @typedef {{id: string, title: string, description: string, level: number, score: number, vector: string, exploitation: string,
 *   isExploited: boolean, aliases: string[], links: string[]}} Advisory
 * @typedef {{image: string, name: string, version: string, type: string, purl: string, path: string, place: string, layer: string, digest: string}} AffectedPackage
 * @typedef {{package: AffectedPackage, advisory: Advisory, fixed: string, step: string, level: number, score: number, reason: string,
 *   records: string[], notes: string[], status: string, key: number, text: string}} Vulnerability
 */

const VULNERABILITY_COLUMNS = 7;
const NO_LAYER = "no layer";
const toText = (number) => data.texts[number];
const vulnerabilities = readVulnerabilities();
const vulnerabilityView = { page: 1, opened: new Set(), groups: new Map() };

/** @returns {Vulnerability[]} the most urgent first */
function readVulnerabilities() {
  const images = data.images.map(([name, layers]) => ({ name: toText(name), layers: layers.map((layer) => layer.map(toText)) }));
  const packages = data.packages.map(([image, ...row]) => {
    const layer = images[image].layers[row.pop()] ?? ["", ""];
    const [name, version, type, purl, path, place] = row.map(toText);
    return { image: images[image].name, name, version, type, purl, path, place, layer: layer[0], digest: layer[1] };
  });
  const advisories = data.advisories.map(([id, title, description, level, score, vector, exploitation, exploited, aliases, links]) => ({
    ...{ id: toText(id), title: toText(title), description: toText(description), level, score, vector: toText(vector) },
    ...{ exploitation: toText(exploitation), isExploited: exploited === 1, aliases: aliases.map(toText), links: links.map(toText) },
  }));
  const rows = data.vulnerabilities.map(([affected, advisory, fixed, step, level, score, reason, records, notes, status], key) => ({
    ...{ package: packages[affected], advisory: advisories[advisory], fixed: toText(fixed), step: toText(step), level, score, key, text: "" },
    ...{ reason: toText(reason), records: records.map(toText), notes: notes.map(toText), status: toText(status) },
  }));
  return rows.sort((one, other) => other.score - one.score || other.advisory.level - one.advisory.level || one.key - other.key);
}

/** @param {Vulnerability} entry @returns {string} the text that the search matches, in lower case */
function getVulnerabilityText(entry) {
  const { advisory, package: affected } = entry;
  entry.text ||= [advisory.id, advisory.title, ...advisory.aliases, affected.name, affected.purl, affected.path, affected.place, affected.image, affected.layer]
    .join("\n")
    .toLowerCase();
  return entry.text;
}

/** @returns {Vulnerability[]} the vulnerabilities that match the filters */
function filterVulnerabilities() {
  const words = byId("v-q").value.toLowerCase().split(/\s+/).filter(Boolean);
  const levels = new Set([...byId("v-severities").querySelectorAll("input:checked")].map((box) => box.value));
  const [type, image] = [byId("v-type").value, byId("v-image").value];
  const conditions = [
    levels.size > 0 && ((entry) => levels.has(LEVELS[entry.advisory.level])),
    byId("v-fixable").checked && ((entry) => entry.fixed !== ""),
    byId("v-exploited").checked && ((entry) => entry.advisory.isExploited),
    type && ((entry) => entry.package.type === type),
    image && ((entry) => entry.package.image === image),
    words.length > 0 && ((entry) => words.every((word) => getVulnerabilityText(entry).includes(word))),
  ].filter(Boolean);
  return vulnerabilities.filter((entry) => conditions.every((condition) => condition(entry)));
}

/** Label of the group of a vulnerability, by grouping. */
const VULNERABILITY_GROUPS = {
  layer: ({ package: { image, layer, digest } }) => `${image}: ${digest ? layer || digest : NO_LAYER}`,
  package: ({ package: { name, version } }) => `${name} ${version}`,
  image: ({ package: { image } }) => image,
};

/** @param {Vulnerability[]} list @param {string} grouping @returns {{label: string, entries: Vulnerability[]}[]} */
function groupVulnerabilities(list, grouping) {
  const groups = new Map();
  for (const entry of list) {
    const label = VULNERABILITY_GROUPS[grouping](entry);
    if (!groups.has(label)) groups.set(label, { label, entries: [] });
    groups.get(label).entries.push(entry);
  }
  return [...groups.values()];
}

function drawVulnerabilities() {
  const matches = filterVulnerabilities();
  const grouping = byId("v-group").value;
  const rows = grouping === "none" ? matches.map((entry) => ({ entry })) : listVulnerabilityRows(matches, grouping);
  const pages = Math.max(1, Math.ceil(rows.length / PAGE));
  vulnerabilityView.page = Math.min(vulnerabilityView.page, pages);
  const start = (vulnerabilityView.page - 1) * PAGE;
  const table = byId("v-list");
  table.hidden = rows.length === 0;
  table.className = `list v-by-${grouping}`;
  table.tBodies[0].replaceChildren(
    ...rows.slice(start, start + PAGE).flatMap((row) => (row.group ? [vulnerabilityGroupRow(row)] : vulnerabilityRows(row.entry))),
  );
  drawPages("v-pages", pages, vulnerabilityView.page, (target) => {
    vulnerabilityView.page = target;
    drawVulnerabilities();
    byId("v-title").scrollIntoView();
  });
  const total = countVulnerabilities(vulnerabilities.length);
  byId("v-count").textContent = matches.length === vulnerabilities.length ? total : `${matches.length.toLocaleString("en")} of ${total}`;
}

/** @param {number} count */
function countVulnerabilities(count) {
  return `${count.toLocaleString("en")} ${count === 1 ? "vulnerability" : "vulnerabilities"}`;
}

function listVulnerabilityRows(matches, grouping) {
  const isOpenByDefault = matches.length <= MAX_OPEN;
  return groupVulnerabilities(matches, grouping).flatMap((group) => {
    const key = `${grouping}\n${group.label}`;
    const open = vulnerabilityView.groups.get(key) ?? isOpenByDefault;
    return [{ group, open, key }, ...(open ? group.entries.map((entry) => ({ entry })) : [])];
  });
}

function vulnerabilityGroupRow({ group, open, key }) {
  const upgrades = new Set(group.entries.map(({ fixed }) => fixed).filter(Boolean));
  const isPackage = key.startsWith("package\n");
  const upgrade = isPackage && upgrades.size === 1 ? `upgrade to ${cut([...upgrades][0])} · ` : "";
  const button = element(
    "button",
    { type: "button", "aria-expanded": String(open), class: "opener", "data-group": key },
    element("span", { class: "arrow", "aria-hidden": "true" }, ARROW),
    badge(Math.max(...group.entries.map(({ level }) => level))),
    element("span", { class: "label" }, cut(group.label)),
    element("span", { class: "count" }, upgrade + countVulnerabilities(group.entries.length)),
  );
  button.addEventListener("click", () => {
    vulnerabilityView.groups.set(key, !open);
    drawVulnerabilities();
    [...byId("v-list").querySelectorAll("[data-group]")].find((opener) => opener.dataset.group === key)?.focus();
  });
  return element("tr", { class: "group" }, element("th", { scope: "rowgroup", colspan: String(VULNERABILITY_COLUMNS) }, button));
}

/** @param {Vulnerability} entry @returns {HTMLElement[]} its row, and the row with its details if they are open */
function vulnerabilityRows(entry) {
  const { advisory, package: affected } = entry;
  const open = vulnerabilityView.opened.has(entry.key);
  const button = element(
    "button",
    { type: "button", class: "opener", "aria-expanded": String(open), "aria-label": `Details: ${cut(advisory.id)} in ${cut(affected.name)}` },
    element("span", { class: "arrow", "aria-hidden": "true" }, ARROW),
  );
  const marks = advisory.isExploited ? [" ", element("strong", { class: "exploited" }, "exploited")] : [];
  const status = entry.status ? [" ", element("span", { class: "note" }, entry.status)] : [];
  const score = advisory.score < 0 ? "" : ` ${advisory.score.toFixed(1)}`;
  const row = element(
    "tr",
    { class: "finding" },
    element("td", { class: "c-open" }, button),
    element("td", { class: "c-priority" }, badge(entry.level)),
    element("td", { class: "v-severity" }, `${LEVELS[advisory.level]}${score}`),
    element("td", { class: "v-id" }, element("span", { class: "id" }, cut(advisory.id)), ...marks, ...status, element("div", { class: "note" }, cut(advisory.title))),
    element("td", { class: "v-package" }, cut(affected.name), createNarrowStep(entry), element("div", { class: "note place" }, ...splitPath(affected.place || affected.path))),
    element("td", { class: "v-version" }, element("code", {}, cut(affected.version))),
    element("td", { class: "v-fixed" }, entry.fixed ? element("code", { class: "fixed" }, cut(entry.fixed)) : element("span", { class: "note" }, entry.step)),
  );
  row.addEventListener("click", (event) => {
    if (event.target.closest("a") || String(getSelection())) return;
    const isOpen = vulnerabilityView.opened.delete(entry.key);
    if (!isOpen) vulnerabilityView.opened.add(entry.key);
    button.setAttribute("aria-expanded", String(!isOpen));
    if (isOpen) row.nextElementSibling.remove();
    else row.after(vulnerabilityDetails(entry));
  });
  return open ? [row, vulnerabilityDetails(entry)] : [row];
}

/** @param {Vulnerability} entry @returns {HTMLElement} the versions, for screens without room for their columns */
function createNarrowStep({ package: { version }, fixed, step }) {
  return element("div", { class: "v-step" }, element("code", {}, cut(version)), fixed ? " → " : ": ", fixed ? element("code", { class: "fixed" }, cut(fixed)) : step);
}

/** @param {Vulnerability} entry */
function vulnerabilityDetails(entry) {
  const { advisory, package: affected } = entry;
  const box = element("div", { class: "detail" });
  if (advisory.description) box.append(element("p", {}, cut(advisory.description, LONGEST_DETAIL)));
  const facts = [
    ["Priority", [LEVELS[entry.level], entry.reason].filter(Boolean).join(": ")],
    ["Severity", [LEVELS[advisory.level], advisory.score < 0 ? "" : `CVSS ${advisory.score.toFixed(1)}`, advisory.vector].filter(Boolean).join(", ")],
    ["Exploitation", advisory.exploitation],
    ["Other names", advisory.aliases.join(", ")],
    ["Image", affected.image],
    ["Package URL", affected.purl],
    ["Entry in the SBOM", affected.place],
    ["File", affected.path],
    ["Layer", [affected.layer, affected.digest].filter(Boolean).join(" · ")],
    ["VEX status", entry.status],
  ];
  const list = element("dl", { class: "details-list" });
  for (const [name, value] of facts) {
    if (value) list.append(element("div", {}, element("dt", {}, name), element("dd", {}, cut(value, LONGEST_DETAIL))));
  }
  box.append(list, ...createVulnerabilityList("Compared advisories", entry.records), ...createVulnerabilityList("Notes", entry.notes));
  const links = advisory.links.map((link) => element("li", {}, element("a", { href: link, rel: "noreferrer noopener" }, cut(link))));
  if (links.length) box.append(element("div", { class: "chapter" }, element("h4", {}, "Read more"), element("ul", {}, ...links)));
  return element("tr", { class: "details" }, element("td", { colspan: String(VULNERABILITY_COLUMNS) }, box));
}

function createVulnerabilityList(title, texts) {
  const entries = texts.map((text) => element("li", {}, element("code", {}, cut(text, LONGEST_DETAIL))));
  return entries.length ? [element("div", { class: "chapter" }, element("h4", {}, title), element("ul", {}, ...entries))] : [];
}

/** Draw the filtered vulnerabilities for printing. */
function printVulnerabilities() {
  const matches = filterVulnerabilities();
  const printed = matches.slice(0, MAX_PRINTED);
  const names = ["Priority", "Vulnerability", "Package", "Installed", "Fixed in"].map((name) => element("th", { scope: "col" }, name));
  const rows = printed.map((entry) => {
    const cells = [LEVELS[entry.level], entry.advisory.id, entry.package.name, entry.package.version, entry.fixed || entry.step];
    return element("tr", {}, ...cells.map((text) => element("td", {}, cut(text))));
  });
  const note = printed.length < matches.length ? [element("p", {}, `The first ${MAX_PRINTED.toLocaleString("en")} of ${countVulnerabilities(matches.length)} are printed.`)] : [];
  byId("v-print").replaceChildren(...note, element("table", {}, element("thead", {}, element("tr", {}, ...names)), element("tbody", {}, ...rows)));
}

function startVulnerabilities() {
  if (!byId("v-list")) return;
  for (const level of [...new Set(vulnerabilities.map(({ advisory }) => advisory.level))].sort().reverse()) {
    const box = element("input", { type: "checkbox", value: LEVELS[level] });
    byId("v-severities").append(element("label", { class: LEVELS[level].toLowerCase() }, box, LEVELS[level]));
  }
  addOptions("v-type", vulnerabilities.map((entry) => entry.package.type).filter(Boolean));
  addOptions("v-image", vulnerabilities.map((entry) => entry.package.image));
  byId("v-image").parentElement.hidden = data.images.length < 2;
  if (!vulnerabilities.some(({ package: { digest } }) => digest)) byId("v-group").value = "package";
  let timer = 0;
  byId("v-tools").addEventListener("input", (event) => {
    clearTimeout(timer);
    vulnerabilityView.page = 1;
    timer = setTimeout(drawVulnerabilities, event.target.type === "search" ? SEARCH_DELAY : 0);
  });
  byId("v-tools").addEventListener("submit", (event) => event.preventDefault());
  byId("v-tools").hidden = false;
  drawVulnerabilities();
}
