import { expect, test } from "vitest";
import type { Schemas } from "../../api/client";
import { kindOf, nameOf, reachOf } from "./entry";

const entry = (values: object) => values as Schemas["SubjectEntry"];

test.each([
  [{ type: "resource", kind: "Deployment", namespace: "shop", name: "api" }, "shop/api", "Deployment"],
  [{ type: "resource", kind: "ClusterRole", namespace: "", name: "admin" }, "admin", "ClusterRole"],
  [{ type: "image", reference: "shop/api:1", digest: "sha256:a" }, "shop/api:1", "Image"],
  [{ type: "process", executable: "/bin/sh", host: "node-1" }, "/bin/sh on node-1", "Subject"],
])("a subject has a name and a kind: %j", (subject, name, kind) => {
  expect([nameOf(entry({ subject })), kindOf(entry({ subject }))]).toEqual([name, kind]);
});

test("power over a node includes the rights to read", () => {
  expect(reachOf(entry({}))).toBe(0);
  expect(reachOf(entry({ rights: "reads Secrets" }))).toBe(1);
  expect(reachOf(entry({ power: "is privileged", rights: "reads Secrets" }))).toBe(2);
  expect(reachOf(entry({ exposure: "Ingress", power: "is privileged", rights: "reads Secrets" }))).toBe(6);
});
