import { expect, test } from "vitest";
import { kindOfSource, nameSource, nameSubject } from "./sources";

test("a repository is named with its branch", () => {
  expect(nameSource({ name: "shop", branch: "" })).toBe("shop");
  expect(nameSource({ name: "github.com/shop/web", branch: "release/1" })).toBe("github.com/shop/web (release/1)");
});

test("the kind of a source is the first part of its key", () => {
  expect(kindOfSource({ key: "cluster/production" })).toBe("cluster");
  expect(kindOfSource({ key: "repository/github.com/shop/web//deploy" })).toBe("repository");
  expect(kindOfSource({ key: "cluster" })).toBe("cluster");
  expect(kindOfSource({ key: "" })).toBe("");
});

test("a subject of the cluster has no namespace", () => {
  expect(nameSubject({ namespace: "shop", name: "api" })).toBe("shop/api");
  expect(nameSubject({ namespace: "", name: "admin" })).toBe("admin");
});
