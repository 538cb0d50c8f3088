import { expect, test } from "vitest";
import { describeTargets } from "./panel";

test.each([
  [{ resources: ["pods", "services"], apiGroups: [""] }, "pods, services"],
  [{ resources: ["deployments"], apiGroups: ["apps", "extensions"] }, "deployments of apps, extensions"],
  [{ resources: ["*"], apiGroups: ["", "apps"] }, "all resources of the core API and apps"],
  [{ resources: ["*"], apiGroups: ["*"] }, "all resources of all API groups"],
  [{ nonResourceUrls: ["/metrics", "/healthz"] }, "/metrics, /healthz"],
  [{ nonResourceUrls: ["*"] }, "all paths"],
])("the targets of a rule are in words: %j", (row, text) => {
  expect(describeTargets(row as Parameters<typeof describeTargets>[0])).toBe(text);
});
