import { expect, test } from "vitest";
import { parseAccess } from "./who-can";

test.each([
  [{ verb: "get", resource: "pods/log", namespace: "shop" }, { verb: "get", resource: "pods/log", group: "", namespace: "shop" }],
  [{ verb: "update", resource: "deployments.apps/scale", namespace: "" }, { verb: "update", resource: "deployments/scale", group: "apps", namespace: "" }],
  [{ verb: "get", resource: "a.b.example.com", namespace: "" }, { verb: "get", resource: "a", group: "b.example.com", namespace: "" }],
  [{ verb: "get", resource: "/healthz/ready", namespace: "shop" }, { verb: "get", path: "/healthz/ready" }],
])("the request %j has its group and its subresource", (access, parameters) => {
  expect(parseAccess(access)).toEqual(parameters);
});
