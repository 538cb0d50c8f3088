import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { daysSince, describeAge } from "./time";

const NOW = Date.UTC(2026, 2, 29, 12);
const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

beforeEach(() => {
  vi.useFakeTimers({ now: NOW });
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllEnvs();
});

test.each([
  [0, "just now"],
  [-59, "just now"],
  [59, "just now"],
  [-MINUTE, "1 minute ago"],
  [-(HOUR - 1), "59 minutes ago"],
  [-HOUR, "1 hour ago"],
  [-DAY, "yesterday"],
  [DAY, "tomorrow"],
  [-6 * DAY, "6 days ago"],
  [-7 * DAY, "last week"],
  [3 * HOUR, "in 3 hours"],
  [-400 * DAY, "last year"],
  [-40 * 366 * DAY, "40 years ago"],
])("%i seconds from now are %s", (seconds, text) => {
  expect(describeAge(new Date(NOW + seconds * 1_000))).toBe(text);
});

test.each(["UTC", "Europe/Berlin", "Pacific/Kiritimati"])("days since a time do not depend on the time zone %s", (zone) => {
  vi.stubEnv("TZ", zone);
  expect(daysSince("2026-03-28T12:00:00Z")).toBe(1);
  expect(daysSince("2026-03-28T14:00:00+02:00")).toBe(1);
  expect(daysSince("2026-03-30T00:00:00Z")).toBe(-0.5);
});
