import { expect, test } from "vitest";
import { describeDuration } from "./scans";

test.each([
  ["2026-01-01T00:00:00Z", "2026-01-01T00:00:00.400Z", "0 s"],
  ["2026-01-01T00:00:00Z", "2026-01-01T00:00:59.400Z", "59 s"],
  ["2026-01-01T00:00:00Z", "2026-01-01T00:00:59.600Z", "1 min"],
  ["2026-01-01T00:00:00Z", "2026-01-01T01:00:10+01:00", "10 s"],
  ["2025-12-31T23:00:00Z", "2026-01-01T02:00:00Z", "180 min"],
])("a scan from %s to %s took %s", (started, finished, text) => {
  expect(describeDuration({ started, finished })).toBe(text);
});
