import { expect, test } from "vitest";
import { exportHref } from "./export";

test("a list without filters has no query", () => {
  expect(exportHref("findings", {})).toBe("/api/v1/exports/findings");
  expect(exportHref("findings", { text: "", exposed: undefined, source: [] })).toBe("/api/v1/exports/findings");
});

test("all values of a filter are in the address, escaped, and false and zero are values", () => {
  const address = exportHref("findings", { source: [0, 12], exposed: false, text: "a&b #1", namespace: ["", "shop"] });
  expect(address).toBe("/api/v1/exports/findings?source=0&source=12&exposed=false&text=a%26b+%231&namespace=shop");
});
