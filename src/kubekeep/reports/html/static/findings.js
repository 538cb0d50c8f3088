"use strict";
// Findings: decoded from the data of the page, then filtered, sorted and grouped for a view.

/**
 * @typedef {{id: string, title: string, level: number, number: number}} Control
 * @typedef {{kind: string, namespace: string, name: string, api: string, madeBy: string}} Resource
 * @typedef {{change: string, file: string, line: number, lastLine: number, message: string, setting: string,
 *   commit: string, exception: ?AppliedException, excerpt: ?{first: number, lines: string[]}}} Evidence
 * @typedef {{name: string, source: string, reason: string, expires: string, place: string}} AppliedException
 * @typedef {{level: number, score: number, reason: string}} Priority
 * @typedef {{control: Control, resource: Resource, key: string, file: string, line: number, priority: Priority, evidence: Evidence[],
 *   isExcepted: boolean, order: number, text: string}} Finding
 * @typedef {{q: string, priority: string, severity: string, framework: string, namespace: string, kind: string, file: string,
 *   control: string, show: string, group: string, sort: string, page: string, finding: string}} View
 */

const LEVELS = ["Unknown", "Low", "Medium", "High", "Critical"];
/** Value of the namespace filter for resources without a namespace; not a valid namespace name. */
const NO_NAMESPACE = "(none)";

const data = JSON.parse(document.getElementById("data").textContent);

/** @type {Control[]} */
const controls = data.controls.map(([id, title, level], number) => ({ id, title, level, number }));
/** @type {Resource[]} */
const resources = data.resources.map((row) => {
  const [kind, namespace, name, api, madeBy] = row.map((number) => data.texts[number]);
  return { kind, namespace, name, api, madeBy };
});
/** @type {AppliedException[]} */
const exceptions = data.exceptions.map((row) => {
  const [name, source, reason, expires, place] = row.map((number) => data.texts[number]);
  return { name, source, reason, expires, place };
});
/** @type {Priority[]} */
const priorities = data.priorities.map(([level, score, reason]) => ({ level, score, reason: data.texts[reason] }));
const frameworks = data.frameworks.map(([name, ...members]) => ({ name, members: new Set(members) }));
/** @type {{first: number, lines: string[]}[]} */
const excerpts = data.excerpts.map(([first, ...lines]) => ({ first, lines: lines.map((number) => data.texts[number]) }));
const findings = readFindings();
/** @type {Map<string, Finding>} */
const byKey = new Map(findings.map((finding) => [finding.key, finding]));

/** @returns {Finding[]} */
function readFindings() {
  const countByKey = new Map();
  return data.findings.map(([control, resource, key, file, line, priority, ...evidence], order) => {
    const occurrence = (countByKey.get(key) ?? 0) + 1;
    countByKey.set(key, occurrence);
    const entries = evidence.map(readEvidence);
    return {
      control: controls[control],
      resource: resources[resource],
      key: occurrence > 1 ? `${key}-${occurrence}` : key,
      file: data.texts[file],
      line,
      priority: priorities[priority],
      evidence: entries,
      isExcepted: entries.length > 0 && entries[0].exception !== null,
      order,
      text: "",
    };
  });
}

/** @returns {Evidence} */
function readEvidence([change, file = 0, line = 0, last = 0, message = 0, setting = 0, commit = 0, exception = 0, excerpt = 0]) {
  return {
    change: data.texts[change],
    file: data.texts[file],
    line,
    lastLine: last,
    message: data.texts[message],
    setting: data.texts[setting],
    commit: data.texts[commit],
    exception: exception ? exceptions[exception - 1] : null,
    excerpt: excerpt ? excerpts[excerpt - 1] : null,
  };
}

/** @param {Finding} finding @returns {string} `web.yaml:21`, empty without a file */
function formatLocation({ file, line }) {
  return line ? `${file}:${line}` : file;
}

/** @param {Resource} resource */
function formatResource(resource) {
  return `${resource.kind} ${resource.namespace ? `${resource.namespace}/` : ""}${resource.name}`;
}

/** @param {Finding} finding @returns {string} the text that the search matches, in lower case */
function getSearchText(finding) {
  finding.text ||= [
    finding.control.id,
    finding.control.title,
    formatResource(finding.resource),
    finding.resource.api,
    finding.resource.madeBy,
    formatLocation(finding),
    finding.priority.reason,
    ...finding.evidence.flatMap((entry) => [entry.change, entry.file, entry.message, entry.setting, entry.commit]),
  ]
    .join("\n")
    .toLowerCase();
  return finding.text;
}

/** @param {View} view @returns {Finding[]} the findings that match the filters of a view, in its order */
function filterFindings(view) {
  const words = view.q.toLowerCase().split(/\s+/).filter(Boolean);
  const levels = new Set(view.severity.split(",").filter(Boolean));
  const urgencies = new Set(view.priority.split(",").filter(Boolean));
  const framework = frameworks.find(({ name }) => name === view.framework);
  const file = view.file.toLowerCase();
  const namespace = view.namespace === NO_NAMESPACE ? "" : view.namespace;
  const conditions = [
    view.show !== "all" && ((finding) => finding.isExcepted === (view.show === "excepted")),
    urgencies.size > 0 && ((finding) => urgencies.has(LEVELS[finding.priority.level])),
    levels.size > 0 && ((finding) => levels.has(LEVELS[finding.control.level])),
    view.framework && ((finding) => framework !== undefined && framework.members.has(finding.control.number)),
    view.control && ((finding) => finding.control.id === view.control),
    view.namespace && ((finding) => finding.resource.namespace === namespace),
    view.kind && ((finding) => finding.resource.kind === view.kind),
    file && ((finding) => finding.file.toLowerCase().includes(file)),
    words.length > 0 && ((finding) => words.every((word) => getSearchText(finding).includes(word))),
  ].filter(Boolean);
  const matches = findings.filter((finding) => conditions.every((condition) => condition(finding)));
  return sortFindings(matches, view.sort);
}

const COLLATOR = new Intl.Collator("en", { numeric: true });
/** Comparison functions by sort column. */
const COMPARATORS = {
  priority: (one, other) => other.priority.score - one.priority.score,
  severity: (one, other) => other.control.level - one.control.level,
  control: (one, other) => COLLATOR.compare(one.control.id, other.control.id),
  resource: (one, other) =>
    COLLATOR.compare(one.resource.kind, other.resource.kind) || COLLATOR.compare(one.resource.name, other.resource.name),
  namespace: (one, other) => COLLATOR.compare(one.resource.namespace, other.resource.namespace),
  place: (one, other) => COLLATOR.compare(one.file, other.file) || one.line - other.line,
};

/** @param {Finding[]} list @param {string} sort a column, with a dash before it for descending order */
function sortFindings(list, sort) {
  if (!sort) return list;
  const compare = COMPARATORS[sort.replace("-", "")];
  const sign = sort.startsWith("-") ? -1 : 1;
  return list.sort((one, other) => sign * compare(one, other) || one.order - other.order);
}

/** Key and label of the group of a finding, by grouping. */
const GROUPINGS = {
  control: (finding) => [finding.control.id, `${finding.control.id} ${finding.control.title}`],
  resource: (finding) => [finding.resource, formatResource(finding.resource)],
  file: (finding) => [finding.file, finding.file || "not in a file"],
};

/**
 * @param {Finding[]} list @param {string} grouping
 * @returns {{label: string, level: number, findings: Finding[]}[]} the groups in the order of their first findings, with the highest priority
 */
function groupFindings(list, grouping) {
  const groups = new Map();
  for (const finding of list) {
    const [key, label] = GROUPINGS[grouping](finding);
    const group = groups.get(key) ?? { label, level: 0, findings: [] };
    groups.set(key, group);
    group.level = Math.max(group.level, finding.priority.level);
    group.findings.push(finding);
  }
  return [...groups.values()];
}
