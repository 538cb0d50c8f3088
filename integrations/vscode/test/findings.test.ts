import assert from "node:assert/strict";
import { test } from "node:test";
import { findLevel, groupFindings, splitFinding, type Finding } from "../src/findings.ts";

const BASE: Finding = { uri: "file:///a.yaml", line: 0, column: 0, level: "low", control: "C-0001", message: "", id: "" };

test("groups by priority, file and line", () => {
  const groups = groupFindings([
    { ...BASE, level: "low" },
    { ...BASE, level: "critical", uri: "file:///b.yaml" },
    { ...BASE, level: "critical", line: 9 },
    { ...BASE, level: "critical", line: 2, column: 4, control: "C-0002" },
    { ...BASE, level: "critical", line: 2, column: 4 },
    { ...BASE, level: "problem", control: "" },
  ]);
  assert.deepEqual(
    groups.map(({ level, count, files }) => [
      level,
      count,
      files.map(({ uri, findings }) => [uri, findings.map(({ line, control }) => `${line} ${control}`)]),
    ]),
    [
      ["critical", 4, [["file:///a.yaml", ["2 C-0001", "2 C-0002", "9 C-0001"]], ["file:///b.yaml", ["0 C-0001"]]]],
      ["low", 1, [["file:///a.yaml", ["0 C-0001"]]]],
      ["problem", 1, [["file:///a.yaml", ["0 "]]]],
    ],
  );
  assert.deepEqual(groupFindings([]), []);
});

test("takes the priority of the server, else the severity of the diagnostic", () => {
  assert.equal(findLevel(0, "C-0057", { priority: "critical" }), "critical");
  assert.equal(findLevel(0, "C-0057", { priority: "high" }), "high");
  assert.equal(findLevel(0, "C-0057", { controls: [] }), "urgent");
  assert.equal(findLevel(1, "C-0057", undefined), "medium");
  assert.equal(findLevel(2, "C-0057", null), "low");
  assert.equal(findLevel(3, "C-0057", { priority: "none of them" }), "unknown");
  assert.equal(findLevel(0, "", undefined), "problem");
});

test("counts one control on one resource, whatever its lines and files", () => {
  const data = {
    findings: [
      { id: "a", control: "C-0057", priority: "high" },
      { id: "b", control: "C-0016", priority: "low" },
    ],
  };
  const split = [
    ...splitFinding({ ...BASE, control: "C-0057", line: 4 }, data),
    ...splitFinding({ ...BASE, control: "C-0057", line: 9 }, data),
    ...splitFinding({ ...BASE, control: "C-0057", line: 9 }, data),
    ...splitFinding({ ...BASE, control: "C-0057", uri: "file:///values.yaml" }, data),
  ];
  assert.deepEqual(
    groupFindings(split).map(({ level, count, files }) => [
      level,
      count,
      files.map(({ findings }) => findings.map(({ control, lines }) => `${control} ${lines.join()}`)),
    ]),
    [
      ["high", 1, [["C-0057 4,9"], ["C-0057 0"]]],
      ["low", 1, [["C-0016 4,9"], ["C-0016 0"]]],
    ],
  );
});

test("a server that names no findings has one for each diagnostic", () => {
  for (const data of [undefined, null, {}, { findings: "none" }]) assert.deepEqual(splitFinding(BASE, data), [BASE]);
  assert.deepEqual(splitFinding({ ...BASE, control: "" }, { findings: [] }), [{ ...BASE, control: "" }]);
});
