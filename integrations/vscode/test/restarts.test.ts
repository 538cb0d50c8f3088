import assert from "node:assert/strict";
import { test } from "node:test";
import { RestartLimit } from "../src/restarts.ts";

test("allows five restarts in three minutes", () => {
  const limit = new RestartLimit();
  assert.deepEqual([0, 1, 2, 3, 4, 5].map((time) => limit.allow(time)), [true, true, true, true, true, false]);
});

test("old crashes do not count", () => {
  const limit = new RestartLimit();
  for (let minute = 0; minute < 20; minute++) assert.ok(limit.allow(minute * 60_000));
});
