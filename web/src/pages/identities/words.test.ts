import { expect, test } from "vitest";
import { describeDangers, keyOf, listMain, readKey } from "./words";

const danger = (id: string, text: string, namespaces = 0) => ({ id, text, namespaces, severity: "high" });

test.each([
  { kind: "ServiceAccount" as const, namespace: "shop", name: "api" },
  { kind: "User" as const, namespace: "", name: "system:node:a/b/c" },
  { kind: "Group" as const, namespace: "", name: "" },
])("the key of $kind $name can be read", (subject) => {
  expect(readKey(keyOf(subject))).toEqual(subject);
});

test("a key that is none has empty parts", () => {
  expect(readKey("")).toEqual({ kind: "", namespace: "", name: "" });
  expect(readKey("User")).toEqual({ kind: "User", namespace: "", name: "" });
});

test("dangers with the same scope share its words", () => {
  expect(describeDangers([])).toBe("");
  const dangers = [danger("create-pods", "create pods"), danger("read-secrets", "read Secrets"), danger("escalate", "grant rights"), danger("run-commands", "run commands", 1)];
  expect(describeDangers(dangers)).toBe("create pods, read Secrets in all namespaces · grant rights · run commands in 1 namespace");
});

test("the right to do everything includes dangers of its scope", () => {
  const [wide, narrow] = [danger("read-secrets", "read Secrets"), danger("create-pods", "create pods", 2)];
  expect(listMain([wide, narrow])).toEqual([wide, narrow]);
  const everywhere = danger("everything", "do everything");
  expect(listMain([wide, everywhere, narrow])).toEqual([everywhere]);
  const somewhere = danger("everything", "do everything", 2);
  expect(listMain([wide, somewhere, narrow])).toEqual([wide, somewhere]);
  expect(listMain([danger("create-pods", "create pods", 3), somewhere])).toHaveLength(2);
});
