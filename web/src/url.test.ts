import { expect, test, vi } from "vitest";
import { createState, query, readPath } from "./url";

test("a query leaves out parameters without a value, and keeps zero", () => {
  expect(query({})).toBe("");
  expect(query({ text: "", days: undefined })).toBe("");
  expect(query({ cursor: 0, days: -7, limit: 1e21 })).toBe("?cursor=0&days=-7&limit=1e%2B21");
});

test("a query escapes separators, spaces, percent signs and other alphabets", () => {
  const text = "a&b=c d+e#f%20é";
  expect(query({ text })).toBe("?text=a%26b%3Dc+d%2Be%23f%2520%C3%A9");
  expect(createState(query({ text }), vi.fn()).get("text")).toBe(text);
});

test("a state has the first and all values of a parameter", () => {
  const state = createState("?priority=high&priority=low&text=", vi.fn());
  expect(state.get("priority")).toBe("high");
  expect(state.list("priority")).toEqual(["high", "low"]);
  expect([state.get("text"), state.get("source")]).toEqual(["", ""]);
  expect(state.list("source")).toEqual([]);
});

test("an escaped percent sign is decoded once", () => {
  expect(createState("?text=100%25&name=a%2526b", vi.fn()).get("text")).toBe("100%");
  expect(createState("?name=a%2526b", vi.fn()).get("name")).toBe("a%26b");
  expect(createState("?text=%zz%", vi.fn()).get("text")).toBe("%zz%");
});

test("other values replace those of their parameters, and empty ones remove them", () => {
  const state = createState("?source=1&source=2&text=api&open=3", vi.fn());
  expect(state.with({ source: ["4", "", "5"], text: "" })).toBe("?open=3&source=4&source=5");
  expect(state.with({ source: [], text: "", open: "" })).toBe("");
  expect(state.with({})).toBe("?source=1&source=2&text=api&open=3");
});

test("parts of a path are decoded once, slashes within them too", () => {
  expect(readPath("/vulnerabilities/CVE-2021-44228", 1)).toBe("CVE-2021-44228");
  expect(readPath("/packages/npm/%40angular%2Fcore", 2)).toBe("@angular/core");
  expect(readPath("/packages/golang/github.com/shop/web", 2)).toBe("github.com/shop/web");
  expect(readPath(`/packages/npm/${encodeURIComponent("a%2Fb 100%")}`, 2)).toBe("a%2Fb 100%");
  expect(readPath("/packages/npm/%zz", 2)).toBe("%zz");
  expect(readPath("/packages/npm", 2)).toBe("");
});
