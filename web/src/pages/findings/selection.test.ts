import { afterEach, expect, test, vi } from "vitest";
import { clearOwn, listFilters, readSelection, readShared } from "./selection";
import { createState } from "../../url";

const state = (search: string) => createState(search, vi.fn());
const names = (search: string, group: "" | "control") => listFilters(state(search), group, [{ name: "owner", label: "Owner" }]).map(({ name }) => name);

afterEach(() => {
  vi.unstubAllEnvs();
});

test("without parameters, all open findings are selected", () => {
  expect(readSelection(state(""))).toEqual({
    ...{ source: [], text: "", definition: [], definitionKind: [], priority: [], severity: [], exposed: undefined },
    ...{ name: [], namespace: [], kind: [], owner: [], label: [], state: "open", due: undefined, openedSince: undefined, openedBefore: undefined },
  });
});

test("parameters become filters of the API", () => {
  const shared = readShared(state("?source=1&source=20&priority=high&priority=critical&exposed=false&text=a%26b"));
  expect(shared).toMatchObject({ source: [1, 20], priority: ["high", "critical"], exposed: false, text: "a&b" });
  expect(readShared(state("?exposed=true")).exposed).toBe(true);
  expect(readSelection(state("?label=app%3Dweb&state=decided&due=week"))).toMatchObject({ label: ["app=web"], state: "decided", due: "week" });
});

test.each([
  ["UTC", "2026-03-29", "2026-03-29T00:00:00.000Z"],
  ["Asia/Kolkata", "2026-03-29", "2026-03-28T18:30:00.000Z"],
  ["America/New_York", "2026-03-08", "2026-03-08T05:00:00.000Z"],
  ["Europe/Berlin", "2026-03-30", "2026-03-29T22:00:00.000Z"],
])("a day in %s begins there", (zone, day, moment) => {
  vi.stubEnv("TZ", zone);
  expect(readSelection(state(`?openedSince=${day}`)).openedSince).toBe(moment);
});

test("a text that is no day is no filter", () => {
  for (const day of ["tomorrow", "2026-13-01", "2026-03-29T10:00"]) expect(readSelection(state(`?openedBefore=${day}`)).openedBefore).toBeUndefined();
});

test("groups by control have the filters of controls only", () => {
  expect(names("?namespace=shop&definition=C-0017", "control")).toEqual(["text", "priority", "exposed", "severity", "definitionKind", "definition"]);
  const all = names("?namespace=shop", "");
  expect(all).toEqual(expect.arrayContaining(["due", "owner", "state", "namespace"]));
  expect(all).not.toContain("definition");
});

test("a change to groups by control clears the other filters, and keeps the definition", () => {
  const cleared = clearOwn();
  expect(Object.keys(cleared)).toEqual(expect.arrayContaining(["due", "kind", "owner", "namespace", "openedSince"]));
  expect(cleared).not.toHaveProperty("definition");
  expect(new Set(Object.values(cleared))).toEqual(new Set([""]));
});
