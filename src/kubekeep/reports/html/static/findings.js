"use strict";
// The findings: reading them from the page's data, and which of them a view shows, in which order and groups.

/**
 * @typedef {{id: string, title: string, level: number, number: number}} Control
 * @typedef {{kind: string, namespace: string, name: string, api: string, madeBy: string}} Resource
 * @typedef {{change: string, file: string, line: number, lastLine: number, message: string, setting: string,
 *   commit: string, waiver: ?Waiver, excerpt: ?{first: number, lines: string[]}}} Evidence
 * @typedef {{name: string, source: string, reason: string, expires: string, place: string}} Waiver
 * @typedef {{control: Control, resource: Resource, key: string, file: string, line: number, evidence: Evidence[],
 *   waived: boolean, order: number, text: string}} Finding
 * @typedef {{q: string, severity: string, framework: string, namespace: string, kind: string, file: string,
 *   control: string, show: string, group: string, sort: string, page: string, finding: string}} View
 */

const LEVELS = ["Unknown", "Low", "Medium", "High", "Critical"];
/** What stands for no namespace where one is chosen; no namespace can be called so. */
const NO_NAMESPACE = "(none)";

const data = JSON.parse(document.getElementById("data").textContent);

/** @type {Control[]} */
const controls = data.controls.map(([id, title, level], number) => ({ id, title, level, number }));
/** @type {Resource[]} */
const resources = data.resources.map((row) => {
  const [kind, namespace, name, api, madeBy] = row.map((number) => data.texts[number]);
  return { kind, namespace, name, api, madeBy };
});
/** @type {Waiver[]} */
const waivers = data.waivers.map((row) => {
  const [name, source, reason, expires, place] = row.map((number) => data.texts[number]);
  return { name, source, reason, expires, place };
});
const frameworks = data.frameworks.map(([name, ...members]) => ({ name, members: new Set(members) }));
/** @type {{first: number, lines: string[]}[]} */
const excerpts = data.excerpts.map(([first, ...lines]) => ({ first, lines: lines.map((number) => data.texts[number]) }));
const findings = readFindings();
/** @type {Map<string, Finding>} */
const byKey = new Map(findings.map((finding) => [finding.key, finding]));

/** @returns {Finding[]} */
function readFindings() {
  const seen = new Map();
  return data.findings.map(([control, resource, key, file, line, ...evidence], order) => {
    const times = (seen.get(key) ?? 0) + 1;
    seen.set(key, times);
    const places = evidence.map(readEvidence);
    return {
      control: controls[control],
      resource: resources[resource],
      key: times > 1 ? `${key}-${times}` : key,
      file: data.texts[file],
      line,
      evidence: places,
      waived: places.length > 0 && places[0].waiver !== null,
      order,
      text: "",
    };
  });
}

/** @returns {Evidence} */
function readEvidence([change, file = 0, line = 0, last = 0, message = 0, setting = 0, commit = 0, waiver = 0, excerpt = 0]) {
  return {
    change: data.texts[change],
    file: data.texts[file],
    line,
    lastLine: last,
    message: data.texts[message],
    setting: data.texts[setting],
    commit: data.texts[commit],
    waiver: waiver ? waivers[waiver - 1] : null,
    excerpt: excerpt ? excerpts[excerpt - 1] : null,
  };
}

/** @param {Finding} finding @returns {string} `web.yaml:21`, empty for no place */
function placeOf({ file, line }) {
  return line ? `${file}:${line}` : file;
}

/** @param {Resource} resource */
function nameOf(resource) {
  return `${resource.kind} ${resource.namespace ? `${resource.namespace}/` : ""}${resource.name}`;
}

/** @param {Finding} finding @returns {string} everything that a search looks into, in lower case */
function textOf(finding) {
  finding.text ||= [
    finding.control.id,
    finding.control.title,
    nameOf(finding.resource),
    finding.resource.api,
    finding.resource.madeBy,
    placeOf(finding),
    ...finding.evidence.flatMap((item) => [item.change, item.file, item.message, item.setting, item.commit]),
  ]
    .join("\n")
    .toLowerCase();
  return finding.text;
}

/** @param {View} view @returns {Finding[]} what the filters of a view let through, in its order */
function chosen(view) {
  const words = view.q.toLowerCase().split(/\s+/).filter(Boolean);
  const levels = new Set(view.severity.split(",").filter(Boolean));
  const framework = frameworks.find(({ name }) => name === view.framework);
  const file = view.file.toLowerCase();
  const namespace = view.namespace === NO_NAMESPACE ? "" : view.namespace;
  const tests = [
    view.show !== "all" && ((item) => item.waived === (view.show === "waived")),
    levels.size > 0 && ((item) => levels.has(LEVELS[item.control.level])),
    view.framework && ((item) => framework !== undefined && framework.members.has(item.control.number)),
    view.control && ((item) => item.control.id === view.control),
    view.namespace && ((item) => item.resource.namespace === namespace),
    view.kind && ((item) => item.resource.kind === view.kind),
    file && ((item) => item.file.toLowerCase().includes(file)),
    words.length > 0 && ((item) => words.every((word) => textOf(item).includes(word))),
  ].filter(Boolean);
  const found = findings.filter((item) => tests.every((test) => test(item)));
  return sorted(found, view.sort);
}

const COLLATOR = new Intl.Collator("en", { numeric: true });
/** By what findings are sorted. */
const ORDERS = {
  severity: (one, other) => other.control.level - one.control.level,
  control: (one, other) => COLLATOR.compare(one.control.id, other.control.id),
  resource: (one, other) =>
    COLLATOR.compare(one.resource.kind, other.resource.kind) || COLLATOR.compare(one.resource.name, other.resource.name),
  namespace: (one, other) => COLLATOR.compare(one.resource.namespace, other.resource.namespace),
  place: (one, other) => COLLATOR.compare(one.file, other.file) || one.line - other.line,
};

/** @param {Finding[]} found @param {string} sort a column, with a dash before it the other way round */
function sorted(found, sort) {
  if (!sort) return found;
  const compare = ORDERS[sort.replace("-", "")];
  const sign = sort.startsWith("-") ? -1 : 1;
  return found.sort((one, other) => sign * compare(one, other) || one.order - other.order);
}

/** What findings are grouped by: what tells the groups apart, and what they are called. */
const GROUPS = {
  control: (item) => [item.control.id, `${item.control.id} ${item.control.title}`],
  resource: (item) => [item.resource, nameOf(item.resource)],
  file: (item) => [item.file, item.file || "in no file"],
};

/**
 * @param {Finding[]} found @param {string} by
 * @returns {{label: string, level: number, items: Finding[]}[]} the groups in the order of their first findings
 */
function grouped(found, by) {
  const groups = new Map();
  for (const item of found) {
    const [key, label] = GROUPS[by](item);
    const group = groups.get(key) ?? { label, level: 0, items: [] };
    groups.set(key, group);
    group.level = Math.max(group.level, item.control.level);
    group.items.push(item);
  }
  return [...groups.values()];
}
