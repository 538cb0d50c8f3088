import { expect, test } from "vitest";
import { capitalize, describeExposure, format, formatProbability, plural, sum } from "./severity";

test("numbers have separators in any locale of the browser", () => {
  expect([0, 999, 1_000, 1_234_567, -1_000].map(format)).toEqual(["0", "999", "1,000", "1,234,567", "-1,000"]);
  expect(format(Number.MAX_SAFE_INTEGER)).toBe("9,007,199,254,740,991");
});

test("a small probability is not zero", () => {
  expect([0, 0.000_43, 0.000_5, 0.944_67, 1].map(formatProbability)).toEqual(["0.0 %", "under 0.1 %", "0.1 %", "94.5 %", "100.0 %"]);
});

test("a noun has the plural except for one", () => {
  expect([0, 1, 2, 1_000].map((count) => plural(count, "finding"))).toEqual(["0 findings", "1 finding", "2 findings", "1,000 findings"]);
  expect(plural(1, "vulnerability", "vulnerabilities")).toBe("1 vulnerability");
  expect(plural(2, "vulnerability", "vulnerabilities")).toBe("2 vulnerabilities");
});

test("the first letter is a capital", () => {
  expect(["", "high", "High", "öffentlich"].map(capitalize)).toEqual(["", "High", "High", "Öffentlich"]);
});

test("an exposure is the sum of its reasons, the worst first", () => {
  expect(describeExposure(0)).toEqual([]);
  expect(describeExposure(4)).toEqual(["reachable from outside"]);
  expect(describeExposure(3)).toEqual(["power over a node or the cluster", "may read Secrets"]);
  expect(describeExposure(7)).toHaveLength(3);
});

test("a sum has all levels, also unknown ones", () => {
  expect(sum({})).toBe(0);
  expect(sum({ critical: 1, low: 2, other: 4 })).toBe(7);
});
