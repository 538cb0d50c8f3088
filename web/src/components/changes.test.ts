import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { computeSeries, readDays } from "./changes";

beforeEach(() => {
  vi.useFakeTimers({ now: Date.UTC(2026, 0, 2, 0, 30) });
});
afterEach(() => {
  vi.useRealTimers();
});

test("a period is one of those to choose from", () => {
  expect(["7", "365", "", "-7", "0", "07", "1e9", "NaN"].map(readDays)).toEqual([7, 365, 30, 30, 30, 30, 30, 30]);
});

test("days before a change have the number before it", () => {
  const rows = [
    { day: "2026-01-02", priority: "high", opened: 3, closed: 1 },
    { day: "2025-12-31", priority: "high", opened: 0, closed: 4 },
    { day: "2026-01-02", priority: "critical", opened: 1, closed: 0 },
  ];
  const series = computeSeries(rows, { critical: 1, high: 10 }, 4);
  expect(series.map(({ name, values }) => [name, values])).toEqual([
    ["Critical", [0, 0, 0, 1]],
    ["High", [12, 8, 8, 10]],
    ["Medium", [0, 0, 0, 0]],
  ]);
  expect(series[0]?.dates).toEqual(["2025-12-30", "2025-12-31", "2026-01-01", "2026-01-02"]);
});
