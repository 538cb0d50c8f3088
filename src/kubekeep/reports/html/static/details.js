// Elements of the page. Text from the data is only set as text, never parsed as markup.

const ARROW = "▸";
/** Maximum characters of a text in a table cell, and in the details of a finding. Longer texts occur only in attacks. */
const LONGEST = 300;
const LONGEST_DETAIL = 2000;

/**
 * @param {string} tag @param {Object<string, string|boolean>} attributes @param {...(Node|string)} children
 * @returns {HTMLElement}
 */
function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) node.setAttribute(name, "");
    else if (value !== false) node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

/** @param {string} text @param {number} most @returns {string} the text, shortened with an ellipsis */
function cut(text, most = LONGEST) {
  return text.length > most ? `${text.slice(0, most)}…` : text;
}

/**
 * @param {string} text @param {number} most
 * @returns {(Node|string)[]} the shortened path, with a line break opportunity after each of its parts
 */
function splitPath(text, most = LONGEST) {
  const parts = cut(text, most).match(/[^./]*[./]+|[^./]+$/g) ?? [];
  return parts.flatMap((part, at) => (at ? [element("wbr"), part] : [part]));
}

/** @param {number} level */
function badge(level) {
  return element("span", { class: `badge ${LEVELS[level].toLowerCase()}` }, LEVELS[level]);
}

/** @param {number} count @param {string} noun */
function countNoun(count, noun) {
  return `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;
}

/** @param {Finding} finding @returns {HTMLElement} the details below the row of a finding */
function createDetails(finding) {
  const box = element("div", { class: "detail" });
  box.append(createPriority(finding), ...copyChapters(finding.control));
  const places = element("div", { class: "chapter" }, element("h3", {}, "Locations and changes"));
  const list = element("ol", { class: "evidence" });
  list.append(...finding.evidence.map((entry, index) => element("li", {}, ...createEvidence(entry, finding.evidence[index - 1]))));
  places.append(list);
  box.append(places, createFacts(finding));
  return box;
}

/** @param {Finding} finding */
function createPriority({ priority, control }) {
  const text = priority.reason ? `: ${cut(priority.reason, LONGEST_DETAIL)}` : "";
  return element(
    "div",
    { class: "chapter" },
    element("h3", {}, "Priority"),
    element("p", {}, `${LEVELS[priority.level]}${text}. The severity of the control is ${LEVELS[control.level].toLowerCase()}.`),
  );
}

/** @param {Control} control @returns {Node[]} copies of two chapters from its row in the table of controls */
function copyChapters(control) {
  const row = document.getElementById(`c${control.number}`);
  const headings = new Set(["Risk", "Remediation"]);
  return [...row.querySelectorAll(".chapter")]
    .filter((chapter) => headings.has(chapter.querySelector("h3").textContent))
    .map((chapter) => chapter.cloneNode(true));
}

/** @param {Evidence} evidence @param {Evidence} [previous] the entry above; a common location is shown only once */
function createEvidence(evidence, previous) {
  const parts = [element("p", {}, element("code", { class: "change" }, ...splitPath(evidence.change, LONGEST_DETAIL)))];
  const location = formatLocation(evidence);
  const isRepeated =
    location !== "" && previous !== undefined && formatLocation(previous) === location && previous.excerpt === evidence.excerpt;
  const addNote = (...children) => parts.push(element("p", { class: "note" }, ...children));
  if (location && !isRepeated) addNote("at ", element("span", { class: "place" }, cut(location, LONGEST_DETAIL)));
  if (evidence.setting) addNote("the value comes from ", element("span", { class: "place" }, cut(evidence.setting, LONGEST_DETAIL)));
  const message = cut(evidence.message, LONGEST_DETAIL);
  if (isRepeated) addNote(message ? `at the same location: ${message}` : "at the same location");
  else if (message) addNote(message);
  if (evidence.excerpt && !isRepeated) parts.push(createExcerpt(evidence));
  if (evidence.commit) addNote(`last changed in ${cut(evidence.commit, LONGEST_DETAIL)}`);
  if (evidence.exception) addNote(...createException(evidence.exception));
  return parts;
}

/** @param {AppliedException} exception */
function createException({ name, source, reason, expires, place }) {
  const until = expires ? ` until ${expires}` : "";
  return [
    element("span", { class: "status passed" }, `covered by an exception${until}`),
    cut(`: ${name} (${source}${place ? `, ${place}` : ""}): ${reason || "no reason given"}`, LONGEST_DETAIL),
  ];
}

/** @param {Evidence} evidence */
function createExcerpt({ excerpt, line, lastLine }) {
  const code = element("code");
  excerpt.lines.forEach((text, index) => {
    const number = excerpt.first + index;
    const isHighlighted = line <= number && number <= Math.max(line, lastLine);
    const row = element("span", { class: isHighlighted ? "line highlighted" : "line", "data-line": String(number) }, text || " ");
    code.append(row, "\n");
  });
  return element("pre", { class: "excerpt", tabindex: "0", "aria-label": `Lines from ${excerpt.first} on` }, code);
}

/** @param {Finding} finding */
function createFacts({ control, resource, key }) {
  const facts = element("p", { class: "note" }, `${cut(resource.api)} ${cut(formatResource(resource), LONGEST_DETAIL)}`);
  if (resource.madeBy) facts.append(`, rendered from ${cut(resource.madeBy, LONGEST_DETAIL)}`);
  facts.append(
    " · ",
    element("a", { href: `#c${control.number}` }, `More about ${control.id}`),
    " · ",
    element("a", { href: `#finding=${encodeURIComponent(key)}` }, "Link to this finding"),
  );
  return facts;
}
