import { expect, test } from "vitest";
import { describeLimits, describeScope, type Scope } from "./words";

const scope = (limits: Partial<Scope>): Scope => ({ definitions: ["kubekeep/C-0017"], ...limits }) as Scope;

test("a scope without limits is everywhere", () => {
  expect(describeScope(scope({}))).toBe("C-0017 everywhere");
  expect(describeScope(scope({ sources: ["*"], namespaces: [] }))).toBe("C-0017 everywhere");
});

test("long lists are cut after three values", () => {
  expect(describeScope(scope({ definitions: ["a/1", "a/2", "a/3", "4"] }))).toBe("1, 2, 3 and 1 more everywhere");
  expect(describeLimits(scope({ namespaces: ["a", "b", "c"] }))).toBe("in namespaces a, b, c");
});

test("one value has the singular of its noun", () => {
  expect(describeLimits(scope({ repositories: ["shop"] }))).toBe("in repository shop");
  expect(describeLimits(scope({ repositories: ["shop", "web"], kinds: ["Pod"] }))).toBe("in kind Pod, repositories shop, web");
  expect(describeLimits(scope({ fingerprints: ["1"] }))).toBe("in one finding");
  expect(describeLimits(scope({ fingerprints: ["1", "2"] }))).toBe("in 2 findings");
});

test("digests of images are cut, and sources have their kind", () => {
  expect(describeLimits(scope({ images: [`sha256:${"a".repeat(64)}`] }))).toBe(`in image sha256:${"a".repeat(12)}`);
  const sources = ["cluster/*", "cluster/production", "repository/github.com/shop/web//"];
  expect(describeLimits(scope({ sources }))).toBe("in all clusters, cluster production, repository github.com/shop/web");
});
