// What the reader asks for: filters, order and page, kept in the address after `#` so that a view can be shared.

const DEFAULTS = {
  q: "", severity: "", framework: "", namespace: "", kind: "", file: "", control: "",
  show: "", group: "control", sort: "", page: "1", finding: "",
};
/** The fields of a view that have an input of their own. */
const INPUTS = ["q", "framework", "namespace", "kind", "file", "show", "group"];
const FILTERS = ["q", "severity", "framework", "namespace", "kind", "file", "control", "show"];
const WAIT = 120;

/** @type {View} */
const view = { ...DEFAULTS };
const at = (id) => document.getElementById(id);

function draw() {
  const found = chosen(view);
  const rows = rowsOf(found, view);
  const pages = Math.max(1, Math.ceil(rows.length / PAGE));
  const page = Math.min(Math.max(1, Number(view.page) || 1), pages);
  view.page = String(page);
  drawTable(rows, page, view, draw);
  drawPages(pages, page, (target) => {
    change({ page: String(target) });
    at("findings").scrollIntoView();
  });
  drawState(found);
}

/** @param {Finding[]} found */
function drawState(found) {
  const standing = findings.filter((item) => view.show === "all" || item.waived === (view.show === "waived")).length;
  const all = counted(standing, view.show === "waived" ? "waived finding" : "finding");
  at("count").textContent = found.length === standing ? all : `${found.length.toLocaleString("en")} of ${all}`;
  for (const header of document.querySelectorAll("th[data-sort]")) {
    const asked = view.sort.replace("-", "") === header.dataset.sort;
    header.setAttribute("aria-sort", asked ? (view.sort.startsWith("-") ? "descending" : "ascending") : "none");
  }
  at("clear").disabled = !isFiltered();
  at("unfold").hidden = view.group === "none";
  const control = controls.find(({ id }) => id === view.control);
  at("only").hidden = !view.control;
  at("only").textContent = `Only control ${control ? `${control.id} ${control.title}` : view.control}.`;
}

function isFiltered() {
  return FILTERS.some((name) => view[name]);
}

/** @param {Partial<View>} fields what changes; other filters stay, and the first page is shown unless one is named */
function change(fields) {
  Object.assign(view, { page: "1", finding: "" }, fields);
  const said = Object.entries(view).filter(([name, value]) => value !== DEFAULTS[name]);
  const hash = new URLSearchParams(said).toString();
  history.replaceState(null, "", hash ? `#${hash}` : location.pathname + location.search);
  draw();
}

/** Show what the address asks for: a view, or only a place of the page. */
function follow() {
  const hash = location.hash.slice(1);
  if (!hash.includes("=")) {
    reveal(hash);
    return;
  }
  const asked = new URLSearchParams(hash);
  for (const [name, value] of Object.entries(DEFAULTS)) view[name] = asked.get(name) ?? value;
  if (!Object.hasOwn(GROUPS, view.group)) view.group = view.group === "none" ? "none" : DEFAULTS.group;
  if (!Object.hasOwn(ORDERS, view.sort.replace("-", ""))) view.sort = DEFAULTS.sort;
  const finding = byKey.get(view.finding);
  if (finding) lead(finding);
  fill();
  draw();
  const row = finding ? at(`finding-${finding.key}`) : null;
  (row ?? at("findings")).scrollIntoView({ block: row ? "center" : "start" });
  row?.querySelector("button").focus({ preventScroll: true });
}

/** Set the view so that a finding is on its page, open. @param {Finding} finding */
function lead(finding) {
  if (!chosen(view).includes(finding)) {
    for (const name of FILTERS) view[name] = "";
    if (finding.waived) view.show = "waived";
  }
  opened.findings.add(finding.key);
  if (view.group !== "none") opened.groups.set(groupKey(view.group, { label: GROUPS[view.group](finding)[1] }), true);
  const place = rowsOf(chosen(view), view).findIndex((row) => row.finding === finding);
  view.page = String(Math.floor(place / PAGE) + 1);
}

/** Open what an address without a view leads to. @param {string} id */
function reveal(id) {
  const target = at(id);
  if (!target) return;
  if (target.matches("tr[hidden]")) clearControls();
  const details = target.matches("details") ? target : target.querySelector(":scope > td > details");
  if (details) {
    details.open = true;
    target.scrollIntoView();
  }
}

/** Bring the inputs in line with the view. */
function fill() {
  for (const name of INPUTS) at(name).value = view[name];
  const levels = new Set(view.severity.split(","));
  for (const box of at("severities").querySelectorAll("input")) box.checked = levels.has(box.value);
}

/** @param {string} id @param {Iterable<string>} values */
function offer(id, values) {
  at(id).append(...[...new Set(values)].sort(COLLATOR.compare).map((value) => element("option", { value }, cut(value))));
}

function offerChoices() {
  const used = [...new Set(findings.map((item) => item.control.level))].sort().reverse();
  for (const level of used) {
    const box = element("input", { type: "checkbox", value: LEVELS[level] });
    at("severities").append(element("label", { class: LEVELS[level].toLowerCase() }, box, LEVELS[level]));
  }
  offer("framework", frameworks.map(({ name }) => name));
  offer("namespace", findings.map((item) => item.resource.namespace || NO_NAMESPACE));
  offer("kind", findings.map((item) => item.resource.kind).filter(Boolean));
  offer("files", [...new Set(findings.map((item) => item.file).filter(Boolean))].slice(0, 500));
  at("show").parentElement.hidden = !findings.some((item) => item.waived);
}

/** Take over what the inputs say. */
function read() {
  const levels = [...at("severities").querySelectorAll("input:checked")].map((box) => box.value);
  change({ ...Object.fromEntries(INPUTS.map((name) => [name, at(name).value])), severity: levels.join(",") });
}

function listen() {
  let timer = 0;
  at("tools").addEventListener("input", (event) => {
    clearTimeout(timer);
    if (event.target.type === "search") timer = setTimeout(read, WAIT);
    else read();
  });
  at("tools").addEventListener("submit", (event) => event.preventDefault());
  at("clear").addEventListener("click", () => {
    change(Object.fromEntries(FILTERS.map((name) => [name, ""])));
    fill();
    at("q").focus();
  });
  at("unfold").addEventListener("click", () => {
    opened.all = !opened.all;
    opened.groups.clear();
    at("unfold").setAttribute("aria-pressed", String(opened.all));
    draw();
  });
  for (const header of document.querySelectorAll("th[data-sort]")) header.append(sorter(header.dataset.sort));
}

/** Put on paper what is folded on the screen, and fold it again afterwards. */
function listenToPrinter() {
  let unfolded = [];
  addEventListener("beforeprint", () => {
    unfolded = [...document.querySelectorAll("details:is(.path, .gap):not([open])")];
    for (const details of unfolded) details.open = true;
    if (at("print")) drawPrint(chosen(view), isFiltered());
  });
  addEventListener("afterprint", () => {
    for (const details of unfolded) details.open = false;
    at("print")?.replaceChildren();
  });
}

/** @param {string} column @returns {HTMLElement} a button that sorts by it, then the other way round, then not */
function sorter(column) {
  const name = column[0].toUpperCase() + column.slice(1);
  const button = element("button", { type: "button" }, name, element("span", { class: "sign", "aria-hidden": "true" }));
  button.addEventListener("click", () => {
    const next = { [column]: `-${column}`, [`-${column}`]: "" };
    change({ sort: next[view.sort] ?? column });
  });
  return button;
}

function clearControls() {
  at("controls-q").value = "";
  at("controls-status").value = "";
  filterControls();
}

function filterControls() {
  const words = at("controls-q").value.toLowerCase().split(/\s+/).filter(Boolean);
  const status = at("controls-status").value;
  let shown = 0;
  for (const row of at("controls-list").tBodies[0].rows) {
    const text = row.textContent.toLowerCase();
    row.hidden = (status !== "" && row.dataset.status !== status) || !words.every((word) => text.includes(word));
    if (!row.hidden) shown += 1;
  }
  at("controls-count").textContent = counted(shown, "control");
}

/** Let each failed control lead to its findings. */
function linkControls() {
  for (const row of at("controls-list").tBodies[0].querySelectorAll("tr[data-status=failed]")) {
    const control = controls[Number(row.id.slice(1))];
    const said = row.querySelector(".status");
    const link = element("a", { href: `#${new URLSearchParams({ control: control.id })}` });
    said.before(link);
    link.append(said);
  }
}

function start() {
  listenToPrinter();
  if (at("controls-list")) {
    at("controls-tools").hidden = false;
    at("controls-tools").addEventListener("input", filterControls);
    at("controls-tools").addEventListener("submit", (event) => event.preventDefault());
    linkControls();
  }
  if (!at("findings")) {
    addEventListener("hashchange", () => reveal(location.hash.slice(1)));
    reveal(location.hash.slice(1));
    return;
  }
  offerChoices();
  listen();
  at("tools").hidden = false;
  addEventListener("hashchange", follow);
  draw();
  follow();
}

start();
