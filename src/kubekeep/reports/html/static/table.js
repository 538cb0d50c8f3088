// The table of findings: one page of rows and groups, and the complete list for printing.

/** Rows of a page. */
const PAGE = 100;
/** Maximum number of findings for which all groups are open at first. */
const MAX_OPEN = 25;
/** Maximum number of printed findings. */
const MAX_PRINTED = 2000;
const COLUMNS = 8;

/** Groups that the user opened (true) or closed (false), and findings with open details; others have their default. */
const opened = { groups: new Map(), findings: new Set(), all: false };

/** @param {string} grouping @param {{label: string}} group */
function groupKey(grouping, group) {
  return `${grouping}\n${group.label}`;
}

/**
 * @param {Finding[]} matches @param {View} view
 * @returns {({group: Object, open: boolean, key: string}|{finding: Finding})[]} the rows of all pages
 */
function listRows(matches, view) {
  if (view.group === "none") return matches.map((finding) => ({ finding }));
  const isOpenByDefault = opened.all || matches.length <= MAX_OPEN;
  return groupFindings(matches, view.group).flatMap((group) => {
    const key = groupKey(view.group, group);
    const isOpen = opened.groups.get(key) ?? isOpenByDefault;
    const head = { group, open: isOpen, key };
    return isOpen ? [head, ...group.findings.map((finding) => ({ finding }))] : [head];
  });
}

/** @param {Object[]} rows @param {number} page from 1 @param {View} view @param {() => void} redraw */
function drawTable(rows, page, view, redraw) {
  const table = document.getElementById("list");
  table.className = `list by-${view.group}`;
  table.hidden = rows.length === 0;
  const pageRows = rows.slice((page - 1) * PAGE, page * PAGE);
  table.tBodies[0].replaceChildren(
    ...pageRows.flatMap((row) => (row.group ? [groupRow(row, redraw)] : findingRows(row.finding))),
  );
}

function groupRow({ group, open, key }, redraw) {
  const [{ control }] = group.findings;
  const severity = key.startsWith("control\n") ? `severity ${LEVELS[control.level].toLowerCase()} · ` : "";
  const button = element(
    "button",
    { type: "button", "aria-expanded": String(open), class: "opener", "data-group": key },
    element("span", { class: "arrow", "aria-hidden": "true" }, ARROW),
    badge(group.level),
    element("span", { class: "label" }, cut(group.label)),
    element("span", { class: "count" }, severity + countNoun(group.findings.length, "finding")),
  );
  button.addEventListener("click", () => {
    opened.groups.set(key, !open);
    redraw();
    [...document.querySelectorAll("[data-group]")].find((opener) => opener.dataset.group === key)?.focus();
  });
  return element("tr", { class: "group" }, element("th", { scope: "rowgroup", colspan: String(COLUMNS) }, button));
}

/** @param {Finding} finding @returns {HTMLElement[]} the row of a finding, and the row with its details if they are open */
function findingRows(finding) {
  const { control, resource, evidence, priority, key, isExcepted } = finding;
  const open = opened.findings.has(key);
  const button = element(
    "button",
    { type: "button", class: "opener", "aria-expanded": String(open), "aria-label": `Details: ${control.id}, ${cut(formatResource(resource))}` },
    element("span", { class: "arrow", "aria-hidden": "true" }, ARROW),
  );
  const more = evidence.length > 1 ? [element("span", { class: "count" }, `and ${evidence.length - 1} more`)] : [];
  const marks = isExcepted ? [element("span", { class: "status passed" }, "covered by an exception")] : [];
  const origin = resource.madeBy ? [element("div", { class: "note" }, cut(resource.madeBy))] : [];
  const reason = priority.reason ? [element("div", { class: "note" }, cut(priority.reason))] : [];
  const row = element(
    "tr",
    { id: `finding-${key}`, class: "finding" },
    element("td", { class: "c-open" }, button),
    element("td", { class: "c-priority" }, badge(priority.level)),
    element("td", { class: "c-severity" }, LEVELS[control.level]),
    element("td", { class: "c-control" }, element("span", { class: "id" }, control.id), ` ${cut(control.title)} `),
    element("td", { class: "c-resource" }, `${cut(resource.kind)} ${cut(resource.name)} `, ...marks, ...origin, ...reason),
    element("td", { class: "c-namespace" }, cut(resource.namespace)),
    element("td", { class: "c-place place" }, ...splitPath(formatLocation(finding))),
    element("td", { class: "c-fix" }, element("code", {}, ...splitPath(evidence[0]?.change ?? "")), " ", ...more),
  );
  row.addEventListener("click", (event) => {
    if (event.target.closest("a") || String(getSelection())) return;
    toggle(row, finding, button);
  });
  return open ? [row, detailRow(finding)] : [row];
}

/** @param {Finding} finding */
function detailRow(finding) {
  return element("tr", { class: "details" }, element("td", { colspan: String(COLUMNS) }, createDetails(finding)));
}

/** @param {HTMLElement} row @param {Finding} finding @param {HTMLElement} button */
function toggle(row, finding, button) {
  const open = !opened.findings.has(finding.key);
  button.setAttribute("aria-expanded", String(open));
  if (open) {
    opened.findings.add(finding.key);
    row.after(detailRow(finding));
  } else {
    opened.findings.delete(finding.key);
    row.nextElementSibling.remove();
  }
}

/** @param {string} id of the element @param {number} pages @param {number} page @param {(page: number) => void} openPage */
function drawPages(id, pages, page, openPage) {
  const box = document.getElementById(id);
  box.hidden = pages <= 1;
  const step = (text, target) => {
    const button = element("button", { type: "button", disabled: target < 1 || target > pages }, text);
    button.addEventListener("click", () => openPage(target));
    return button;
  };
  box.replaceChildren(
    step("First", page === 1 ? 0 : 1),
    step("Previous", page - 1),
    element("span", {}, `Page ${page} of ${pages}`),
    step("Next", page + 1),
    step("Last", page === pages ? 0 : pages),
  );
}

/** Draw the findings of a view for printing, grouped by control. @param {Finding[]} matches @param {boolean} isFiltered */
function drawPrint(matches, isFiltered) {
  const box = document.getElementById("print");
  const printed = matches.slice(0, MAX_PRINTED);
  const notes = [];
  if (isFiltered) notes.push(`Filtered: ${matches.length.toLocaleString("en")} of ${countNoun(findings.length, "finding")}.`);
  if (printed.length < matches.length) {
    notes.push(`The first ${MAX_PRINTED.toLocaleString("en")} of ${countNoun(matches.length, "finding")} are printed. The file contains all of them.`);
  }
  box.replaceChildren(...notes.map((text) => element("p", {}, text)), ...groupFindings(printed, "control").flatMap(printedGroup));
}

function printedGroup({ label, level, findings: members }) {
  const head = element("h3", {}, badge(level), ` ${cut(label)}`);
  const names = ["Priority", "Resource", "Location", "Change"].map((name) => element("th", { scope: "col" }, name));
  const rows = members.map((finding) =>
    element(
      "tr",
      {},
      element("td", {}, LEVELS[finding.priority.level]),
      element("td", {}, cut(formatResource(finding.resource)), finding.isExcepted ? " (covered by an exception)" : ""),
      element("td", { class: "place" }, cut(formatLocation(finding))),
      element("td", {}, ...finding.evidence.map((evidence) => element("div", {}, cut(evidence.change)))),
    ),
  );
  return [head, element("table", {}, element("thead", {}, element("tr", {}, ...names)), element("tbody", {}, ...rows))];
}
