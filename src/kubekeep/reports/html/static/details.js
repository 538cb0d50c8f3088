// Elements of the page: built one by one, with text as text; nothing from the data is ever read as markup.

const ARROW = "▸";
/** Characters of a text in a cell, and in the details of a finding; what is longer is somebody's trick and no text. */
const LONGEST = 300;
const WHOLE = 2000;

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

/** @param {string} text @param {number} most @returns {string} what of a text is shown */
function cut(text, most = LONGEST) {
  return text.length > most ? `${text.slice(0, most)}…` : text;
}

/**
 * @param {string} text @param {number} most
 * @returns {(Node|string)[]} what of a path is shown, which may go on in a new line after each of its parts
 */
function parted(text, most = LONGEST) {
  const parts = cut(text, most).match(/[^./]*[./]+|[^./]+$/g) ?? [];
  return parts.flatMap((part, at) => (at ? [element("wbr"), part] : [part]));
}

/** @param {number} level */
function badge(level) {
  return element("span", { class: `badge ${LEVELS[level].toLowerCase()}` }, LEVELS[level]);
}

/** @param {number} count @param {string} noun */
function counted(count, noun) {
  return `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;
}

/** @param {Finding} finding @returns {HTMLElement} all there is to say of a finding */
function detailsOf(finding) {
  const box = element("div", { class: "detail" });
  box.append(...chaptersOf(finding.control));
  const places = element("div", { class: "chapter" }, element("h3", {}, "Where, and what to change"));
  const list = element("ol", { class: "evidence" });
  list.append(...finding.evidence.map((item, index) => element("li", {}, ...evidenceOf(item, finding.evidence[index - 1]))));
  places.append(list);
  box.append(places, factsOf(finding));
  return box;
}

/** @param {Control} control the chapters that its row in the table of controls holds */
function chaptersOf(control) {
  const row = document.getElementById(`c${control.number}`);
  const wanted = new Set(["Why it matters", "How to fix it"]);
  return [...row.querySelectorAll(".chapter")]
    .filter((chapter) => wanted.has(chapter.querySelector("h3").textContent))
    .map((chapter) => chapter.cloneNode(true));
}

/** @param {Evidence} item @param {Evidence} [before] what stands above it: a place that both share is shown once */
function evidenceOf(item, before) {
  const parts = [element("p", {}, element("code", { class: "change" }, ...parted(item.change, WHOLE)))];
  const place = placeOf(item);
  const again = place !== "" && before !== undefined && placeOf(before) === place && before.excerpt === item.excerpt;
  const says = (...children) => parts.push(element("p", { class: "says" }, ...children));
  if (place && !again) says("at ", element("span", { class: "place" }, cut(place, WHOLE)));
  if (item.setting) says("the value comes from ", element("span", { class: "place" }, cut(item.setting, WHOLE)));
  const message = cut(item.message, WHOLE);
  if (again) says(message ? `at the same place: ${message}` : "at the same place");
  else if (message) says(message);
  if (item.excerpt && !again) parts.push(excerptOf(item));
  if (item.commit) says(`last changed in ${cut(item.commit, WHOLE)}`);
  if (item.waiver) says(...waiverOf(item.waiver));
  return parts;
}

/** @param {Waiver} waiver */
function waiverOf({ name, source, reason, expires, place }) {
  const until = expires ? `until ${expires}` : "for good";
  return [
    element("span", { class: "status passed" }, `waived ${until}`),
    cut(` by ${name} (${source}${place ? `, ${place}` : ""}): ${reason || "no reason is given"}`, WHOLE),
  ];
}

/** @param {Evidence} item */
function excerptOf({ excerpt, line, lastLine }) {
  const code = element("code");
  excerpt.lines.forEach((text, index) => {
    const number = excerpt.first + index;
    const hit = line <= number && number <= Math.max(line, lastLine);
    const row = element("span", { class: hit ? "line hit" : "line", "data-line": String(number) }, text || " ");
    code.append(row, "\n");
  });
  return element("pre", { class: "excerpt", tabindex: "0", "aria-label": `Lines from ${excerpt.first} on` }, code);
}

/** @param {Finding} finding */
function factsOf({ control, resource, key }) {
  const facts = element("p", { class: "says" }, `${cut(resource.api)} ${cut(nameOf(resource), WHOLE)}`);
  if (resource.madeBy) facts.append(`, made from ${cut(resource.madeBy, WHOLE)}`);
  facts.append(
    " · ",
    element("a", { href: `#c${control.number}` }, `More about ${control.id}`),
    " · ",
    element("a", { href: `#finding=${encodeURIComponent(key)}` }, "Link to this finding"),
  );
  return facts;
}
