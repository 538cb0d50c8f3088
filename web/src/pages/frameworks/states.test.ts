import { afterEach, expect, test, vi } from "vitest";
import { createState } from "../../url";
import { readPeriod } from "./states";

const read = (search: string) => readPeriod(createState(search, vi.fn()));

afterEach(() => {
  vi.unstubAllEnvs();
});

test("a period has whole days, with the last one", () => {
  expect(read("")).toEqual({});
  expect(read("?since=2026-02-01")).toEqual({ since: "2026-02-01T00:00:00Z" });
  expect(read("?since=2026-02-01&until=2026-02-28")).toEqual({ since: "2026-02-01T00:00:00Z", until: "2026-03-01T00:00:00.000Z" });
  expect(read("?until=2028-02-28")).toEqual({ until: "2028-02-29T00:00:00.000Z" });
});

test.each(["Pacific/Kiritimati", "America/Los_Angeles"])("a period does not depend on the time zone %s", (zone) => {
  vi.stubEnv("TZ", zone);
  expect(read("?until=2026-12-31")).toEqual({ until: "2027-01-01T00:00:00.000Z" });
});

test("texts that are no days are left out", () => {
  expect(read("?since=yesterday&until=2026-13-40")).toEqual({});
});
