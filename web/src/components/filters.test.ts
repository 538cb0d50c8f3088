import { expect, test, vi } from "vitest";
import { isFiltered, PRIORITY_FILTER, SEVERITY_FILTER } from "./filters";
import { createState } from "../url";

test("a list is filtered by a value of its own filters", () => {
  const filters = [PRIORITY_FILTER, SEVERITY_FILTER];
  expect(isFiltered(createState("", vi.fn()), filters)).toBe(false);
  expect(isFiltered(createState("?source=1&open=3", vi.fn()), filters)).toBe(false);
  expect(isFiltered(createState("?severity=low", vi.fn()), filters)).toBe(true);
  expect(isFiltered(createState("?severity=low", vi.fn()), [])).toBe(false);
});
