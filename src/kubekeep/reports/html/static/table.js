// The table of findings: rows and groups of a view, a page at a time, and the whole list for printing.

const PAGE = 100;
/** Up to so many findings, every group is open. */
const FEW = 25;
const PRINTED = 2000;
const COLUMNS = 7;

/** Groups and findings that somebody opened or closed; what is not named is as it comes. */
const opened = { groups: new Map(), findings: new Set(), all: false };

/** @param {string} view the grouping @param {{label: string}} group */
function groupKey(view, group) {
  return `${view}\n${group.label}`;
}

/**
 * @param {Finding[]} found @param {View} view
 * @returns {({group: Object, open: boolean, key: string}|{finding: Finding})[]} the rows of all pages
 */
function rowsOf(found, view) {
  if (view.group === "none") return found.map((finding) => ({ finding }));
  const open = opened.all || found.length <= FEW;
  return grouped(found, view.group).flatMap((group) => {
    const key = groupKey(view.group, group);
    const isOpen = opened.groups.get(key) ?? open;
    const head = { group, open: isOpen, key };
    return isOpen ? [head, ...group.items.map((finding) => ({ finding }))] : [head];
  });
}

/** @param {Object[]} rows @param {number} page from 1 @param {View} view @param {() => void} again draws anew */
function drawTable(rows, page, view, again) {
  const table = document.getElementById("list");
  table.className = `list by-${view.group}`;
  table.hidden = rows.length === 0;
  const shown = rows.slice((page - 1) * PAGE, page * PAGE);
  table.tBodies[0].replaceChildren(
    ...shown.flatMap((row) => (row.group ? [groupRow(row, again)] : findingRows(row.finding))),
  );
}

function groupRow({ group, open, key }, again) {
  const button = element(
    "button",
    { type: "button", "aria-expanded": String(open), class: "opener", "data-group": key },
    element("span", { class: "arrow", "aria-hidden": "true" }, ARROW),
    badge(group.level),
    element("span", { class: "label" }, cut(group.label)),
    element("span", { class: "many" }, counted(group.items.length, "finding")),
  );
  button.addEventListener("click", () => {
    opened.groups.set(key, !open);
    again();
    [...document.querySelectorAll("[data-group]")].find((item) => item.dataset.group === key)?.focus();
  });
  return element("tr", { class: "group" }, element("th", { scope: "rowgroup", colspan: String(COLUMNS) }, button));
}

/** @param {Finding} finding @returns {HTMLElement[]} its row, and that of its details if they are open */
function findingRows(finding) {
  const { control, resource, evidence, key, waived } = finding;
  const open = opened.findings.has(key);
  const button = element(
    "button",
    { type: "button", class: "opener", "aria-expanded": String(open), "aria-label": `Details: ${control.id}, ${cut(nameOf(resource))}` },
    element("span", { class: "arrow", "aria-hidden": "true" }, ARROW),
  );
  const more = evidence.length > 1 ? [element("span", { class: "many" }, `and ${evidence.length - 1} more`)] : [];
  const marks = waived ? [element("span", { class: "status passed" }, "waived")] : [];
  const origin = resource.madeBy ? [element("div", { class: "says" }, cut(resource.madeBy))] : [];
  const row = element(
    "tr",
    { id: `finding-${key}`, class: "finding" },
    element("td", { class: "c-open" }, button),
    element("td", { class: "c-severity" }, badge(control.level)),
    element("td", { class: "c-control" }, element("span", { class: "id" }, control.id), ` ${cut(control.title)} `),
    element("td", { class: "c-resource" }, `${cut(resource.kind)} ${cut(resource.name)} `, ...marks, ...origin),
    element("td", { class: "c-namespace" }, cut(resource.namespace)),
    element("td", { class: "c-place place" }, ...parted(placeOf(finding))),
    element("td", { class: "c-fix" }, element("code", {}, ...parted(evidence[0]?.change ?? "")), " ", ...more),
  );
  row.addEventListener("click", (event) => {
    if (event.target.closest("a") || String(getSelection())) return;
    toggle(row, finding, button);
  });
  return open ? [row, detailRow(finding)] : [row];
}

/** @param {Finding} finding */
function detailRow(finding) {
  return element("tr", { class: "details" }, element("td", { colspan: String(COLUMNS) }, detailsOf(finding)));
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

/** @param {number} pages @param {number} page @param {(page: number) => void} go */
function drawPages(pages, page, go) {
  const box = document.getElementById("pages");
  box.hidden = pages <= 1;
  const step = (text, target) => {
    const button = element("button", { type: "button", disabled: target < 1 || target > pages }, text);
    button.addEventListener("click", () => go(target));
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

/** Put the findings of a view on paper, grouped by control. @param {Finding[]} found @param {boolean} filtered */
function drawPrint(found, filtered) {
  const box = document.getElementById("print");
  const shown = found.slice(0, PRINTED);
  const said = [];
  if (filtered) said.push(`Only what the filters of the page let through: ${counted(found.length, "finding")} of ${findings.length.toLocaleString("en")}.`);
  if (shown.length < found.length) {
    said.push(`The first ${PRINTED.toLocaleString("en")} of ${counted(found.length, "finding")} are printed; the file itself holds them all.`);
  }
  box.replaceChildren(...said.map((text) => element("p", {}, text)), ...grouped(shown, "control").flatMap(printedGroup));
}

function printedGroup({ label, level, items }) {
  const head = element("h3", {}, badge(level), ` ${cut(label)}`);
  const names = ["Resource", "Place", "Change"].map((name) => element("th", { scope: "col" }, name));
  const rows = items.map((item) =>
    element(
      "tr",
      {},
      element("td", {}, cut(nameOf(item.resource)), item.waived ? " (waived)" : ""),
      element("td", { class: "place" }, cut(placeOf(item))),
      element("td", {}, ...item.evidence.map((evidence) => element("div", {}, cut(evidence.change)))),
    ),
  );
  return [head, element("table", {}, element("thead", {}, element("tr", {}, ...names)), element("tbody", {}, ...rows))];
}
