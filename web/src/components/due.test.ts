import { expect, test } from "vitest";
import { describeDue } from "./due";

test("one finding has the singular, unless there may be more", () => {
  expect(describeDue("overdue", 1, true)).toBe("1 finding is overdue");
  expect(describeDue("overdue", 1, false)).toBe("1+ findings are overdue");
  expect(describeDue("week", 1, true)).toBe("1 is due within a week");
});

test("several findings have the plural", () => {
  expect(describeDue("overdue", 12_000, true)).toBe("12,000 findings are overdue");
  expect(describeDue("week", 2, false)).toBe("2+ are due within a week");
});
