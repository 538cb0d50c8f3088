import { expect, test } from "vitest";
import { roundUp } from "./chart";

test.each([
  [1, 2],
  [2, 2],
  [3, 4],
  [9, 10],
  [10, 20],
  [95, 100],
  [100, 200],
  [199, 200],
  [201, 400],
  [1_000, 2_000],
  [9_000_001, 10_000_000],
])("the axis for %i ends at %i", (value, end) => {
  expect(roundUp(value)).toBe(end);
});
