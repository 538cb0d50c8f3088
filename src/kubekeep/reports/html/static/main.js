// The view: filters, order and page, kept in the URL fragment so that a view can be shared.

const DEFAULTS = {
  q: "", priority: "", severity: "", framework: "", namespace: "", kind: "", file: "", control: "",
  show: "", group: "control", sort: "", page: "1", finding: "",
};
/** Fields of a view with an input element of the same ID. */
const INPUTS = ["q", "framework", "namespace", "kind", "file", "show", "group"];
const FILTERS = ["q", "priority", "severity", "framework", "namespace", "kind", "file", "control", "show"];
/** Filters by level, each with a group of checkboxes of this ID and the level of a finding. */
const LEVEL_FILTERS = {
  priority: { id: "priorities", level: (finding) => finding.priority.level },
  severity: { id: "severities", level: (finding) => finding.control.level },
};
/** Labels of the columns. */
const COLUMN_LABELS = {
  priority: "Priority", severity: "Severity", control: "Control", resource: "Resource", namespace: "Namespace", place: "Location",
};
/** Milliseconds after the last key press before a search starts. */
const SEARCH_DELAY = 120;

/** @type {View} */
const view = { ...DEFAULTS };
const byId = (id) => document.getElementById(id);

function draw() {
  const matches = filterFindings(view);
  const rows = listRows(matches, view);
  const pages = Math.max(1, Math.ceil(rows.length / PAGE));
  const page = Math.min(Math.max(1, Number(view.page) || 1), pages);
  view.page = String(page);
  drawTable(rows, page, view, draw);
  drawPages("pages", pages, page, (target) => {
    updateView({ page: String(target) });
    byId("findings").scrollIntoView();
  });
  drawState(matches);
}

/** Show the number of matches and the state of the controls. @param {Finding[]} matches */
function drawState(matches) {
  const total = findings.filter((finding) => view.show === "all" || finding.isExcepted === (view.show === "excepted")).length;
  const totalText = countNoun(total, "finding") + (view.show === "excepted" ? " covered by exceptions" : "");
  byId("count").textContent = matches.length === total ? totalText : `${matches.length.toLocaleString("en")} of ${totalText}`;
  for (const header of document.querySelectorAll("th[data-sort]")) {
    const isSorted = view.sort.replace("-", "") === header.dataset.sort;
    header.setAttribute("aria-sort", isSorted ? (view.sort.startsWith("-") ? "descending" : "ascending") : "none");
  }
  byId("clear").disabled = !isFiltered();
  byId("unfold").hidden = view.group === "none";
  const control = controls.find(({ id }) => id === view.control);
  byId("only").hidden = !view.control;
  byId("only").textContent = `Only control ${control ? `${control.id} ${control.title}` : view.control}.`;
}

function isFiltered() {
  return FILTERS.some((name) => view[name]);
}

/** @param {Partial<View>} fields the changed fields; other filters stay, and `page` is reset unless it is given */
function updateView(fields) {
  Object.assign(view, { page: "1", finding: "" }, fields);
  const parameters = Object.entries(view).filter(([name, value]) => value !== DEFAULTS[name]);
  const hash = new URLSearchParams(parameters).toString();
  history.replaceState(null, "", hash ? `#${hash}` : location.pathname + location.search);
  draw();
}

/** Show the view of the URL fragment, or the element with the ID in it. */
function applyAddress() {
  const hash = location.hash.slice(1);
  if (!hash.includes("=")) {
    openTarget(hash);
    return;
  }
  const parameters = new URLSearchParams(hash);
  for (const [name, value] of Object.entries(DEFAULTS)) view[name] = parameters.get(name) ?? value;
  if (!Object.hasOwn(GROUPINGS, view.group)) view.group = view.group === "none" ? "none" : DEFAULTS.group;
  if (!Object.hasOwn(COMPARATORS, view.sort.replace("-", ""))) view.sort = DEFAULTS.sort;
  const finding = byKey.get(view.finding);
  if (finding) openFinding(finding);
  updateInputs();
  draw();
  const row = finding ? byId(`finding-${finding.key}`) : null;
  (row ?? byId("findings")).scrollIntoView({ block: row ? "center" : "start" });
  row?.querySelector("button").focus({ preventScroll: true });
}

/** Change the view so that its page contains a finding, with open details. @param {Finding} finding */
function openFinding(finding) {
  if (!filterFindings(view).includes(finding)) {
    for (const name of FILTERS) view[name] = "";
    if (finding.isExcepted) view.show = "excepted";
  }
  opened.findings.add(finding.key);
  if (view.group !== "none") opened.groups.set(groupKey(view.group, { label: GROUPINGS[view.group](finding)[1] }), true);
  const index = listRows(filterFindings(view), view).findIndex((row) => row.finding === finding);
  view.page = String(Math.floor(index / PAGE) + 1);
}

/** Scroll to an element of the page and open it. @param {string} id */
function openTarget(id) {
  const target = byId(id);
  if (!target) return;
  if (target.matches("tr[hidden]")) clearControls();
  const details = target.matches("details") ? target : target.querySelector(":scope > td > details");
  if (details) {
    details.open = true;
    target.scrollIntoView();
  }
}

/** Set the inputs to the values of the view. */
function updateInputs() {
  for (const name of INPUTS) byId(name).value = view[name];
  for (const [name, { id }] of Object.entries(LEVEL_FILTERS)) {
    const levels = new Set(view[name].split(","));
    for (const box of byId(id).querySelectorAll("input")) box.checked = levels.has(box.value);
  }
}

/** @param {string} id @param {Iterable<string>} values */
function addOptions(id, values) {
  byId(id).append(...[...new Set(values)].sort(COLLATOR.compare).map((value) => element("option", { value }, cut(value))));
}

function fillFilters() {
  for (const { id, level: getLevel } of Object.values(LEVEL_FILTERS)) {
    for (const level of [...new Set(findings.map(getLevel))].sort().reverse()) {
      const box = element("input", { type: "checkbox", value: LEVELS[level] });
      byId(id).append(element("label", { class: LEVELS[level].toLowerCase() }, box, LEVELS[level]));
    }
  }
  addOptions("framework", frameworks.map(({ name }) => name));
  addOptions("namespace", findings.map((finding) => finding.resource.namespace || NO_NAMESPACE));
  addOptions("kind", findings.map((finding) => finding.resource.kind).filter(Boolean));
  addOptions("files", [...new Set(findings.map((finding) => finding.file).filter(Boolean))].slice(0, 500));
  byId("show").parentElement.hidden = !findings.some((finding) => finding.isExcepted);
}

/** Set the view to the values of the inputs. */
function applyInputs() {
  const getChecked = (id) => [...byId(id).querySelectorAll("input:checked")].map((box) => box.value).join(",");
  const levels = Object.entries(LEVEL_FILTERS).map(([name, { id }]) => [name, getChecked(id)]);
  updateView({ ...Object.fromEntries(INPUTS.map((name) => [name, byId(name).value])), ...Object.fromEntries(levels) });
}

function addListeners() {
  let timer = 0;
  byId("tools").addEventListener("input", (event) => {
    clearTimeout(timer);
    if (event.target.type === "search") timer = setTimeout(applyInputs, SEARCH_DELAY);
    else applyInputs();
  });
  byId("tools").addEventListener("submit", (event) => event.preventDefault());
  byId("clear").addEventListener("click", () => {
    updateView(Object.fromEntries(FILTERS.map((name) => [name, ""])));
    updateInputs();
    byId("q").focus();
  });
  byId("unfold").addEventListener("click", () => {
    opened.all = !opened.all;
    opened.groups.clear();
    byId("unfold").setAttribute("aria-pressed", String(opened.all));
    draw();
  });
  for (const header of document.querySelectorAll("th[data-sort]")) header.append(createSortButton(header.dataset.sort));
}

/** Open folded sections for printing, and fold them again afterwards. */
function addPrintListeners() {
  let unfolded = [];
  addEventListener("beforeprint", () => {
    unfolded = [...document.querySelectorAll("details:is(.path, .gap):not([open])")];
    for (const details of unfolded) details.open = true;
    if (byId("print")) drawPrint(filterFindings(view), isFiltered());
    if (byId("v-print")) printVulnerabilities();
  });
  addEventListener("afterprint", () => {
    for (const details of unfolded) details.open = false;
    byId("print")?.replaceChildren();
    byId("v-print")?.replaceChildren();
  });
}

/** @param {string} column @returns {HTMLElement} a button that sorts by the column ascending, descending, and not, in turn */
function createSortButton(column) {
  const button = element("button", { type: "button" }, COLUMN_LABELS[column], element("span", { class: "sign", "aria-hidden": "true" }));
  button.addEventListener("click", () => {
    const next = { [column]: `-${column}`, [`-${column}`]: "" };
    updateView({ sort: next[view.sort] ?? column });
  });
  return button;
}

function clearControls() {
  byId("controls-q").value = "";
  byId("controls-status").value = "";
  filterControls();
}

function filterControls() {
  const words = byId("controls-q").value.toLowerCase().split(/\s+/).filter(Boolean);
  const status = byId("controls-status").value;
  let visibleCount = 0;
  for (const row of byId("controls-list").tBodies[0].rows) {
    const text = row.textContent.toLowerCase();
    row.hidden = (status !== "" && row.dataset.status !== status) || !words.every((word) => text.includes(word));
    if (!row.hidden) visibleCount += 1;
  }
  byId("controls-count").textContent = countNoun(visibleCount, "control");
}

/** Link the status of each failed control to its findings. */
function linkControls() {
  for (const row of byId("controls-list").tBodies[0].querySelectorAll("tr[data-status=failed]")) {
    const control = controls[Number(row.id.slice(1))];
    const status = row.querySelector(".status");
    const link = element("a", { href: `#${new URLSearchParams({ control: control.id })}` });
    status.before(link);
    link.append(status);
  }
}

function start() {
  addPrintListeners();
  startVulnerabilities();
  if (byId("controls-list")) {
    byId("controls-tools").hidden = false;
    byId("controls-tools").addEventListener("input", filterControls);
    byId("controls-tools").addEventListener("submit", (event) => event.preventDefault());
    linkControls();
  }
  if (!byId("findings")) {
    addEventListener("hashchange", () => openTarget(location.hash.slice(1)));
    openTarget(location.hash.slice(1));
    return;
  }
  fillFilters();
  addListeners();
  byId("tools").hidden = false;
  addEventListener("hashchange", applyAddress);
  draw();
  applyAddress();
}

start();
