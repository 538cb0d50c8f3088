import assert from "node:assert/strict";
import { test } from "node:test";
import { createReportPage, createScanArguments, parseLocation } from "../src/reportPage.ts";

const POLICY =
  "default-src &#39;none&#39;; style-src &#39;sha256-c3R5bGU=&#39;; script-src &#39;sha256-c2NyaXB0/+=&#39;; base-uri &#39;none&#39;";
const HEAD = '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<meta http-equiv="Content-Security-Policy" content="';
const PAGE = `${HEAD}${POLICY}">\n<title>shop</title></head><body>text</body></html>`;

test("puts the policy of the webview first and keeps that of the report", () => {
  const page = createReportPage(PAGE, "bm9uY2U=");
  const policies = [...page.matchAll(/<meta http-equiv="Content-Security-Policy" content="([^"]*)">/g)];
  assert.equal(policies.length, 2);
  assert.equal(
    policies[0]?.[1],
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'nonce-bm9uY2U=' 'sha256-c2NyaXB0/+='; base-uri 'none'; form-action 'none'",
  );
  assert.equal(policies[1]?.[1], POLICY);
  assert.ok(page.indexOf("<script") > (policies[0]?.index ?? 0) && page.indexOf("<script") < (policies[1]?.index ?? 0));
  assert.ok(page.endsWith("<title>shop</title></head><body>text</body></html>"));
});

test("shows no page without the policy of a report", () => {
  const pages = [
    "",
    "<!doctype html>\n<html lang=\"en\">\n<head>\n<title>x</title></head>",
    `${HEAD}default-src *">`,
    `${HEAD}script-src &#39;unsafe-inline&#39;">`,
    `${HEAD}script-src &#39;sha256-a=&#39; https://example.com">`,
    `<script>0</script>${PAGE}`,
    PAGE.replace("<head>", "<head><script>0</script>"),
  ];
  for (const page of pages) assert.throws(() => createReportPage(page, "bm9uY2U="), /no Content Security Policy/, page);
});

test("reads locations in messages of the page", () => {
  const read = (text: string) => parseLocation({ location: text });
  assert.deepEqual(read("shop/pod.yaml:11"), { file: "shop/pod.yaml", line: 10, column: 0 });
  assert.deepEqual(read(" C:\\shop\\pod.yaml:11:7 "), { file: "C:\\shop\\pod.yaml", line: 10, column: 6 });
  assert.deepEqual(read("chart/values.yaml:3 sidecars[0].image"), { file: "chart/values.yaml", line: 2, column: 0 });
  assert.deepEqual(read("my file.yaml:0"), { file: "my file.yaml", line: 0, column: 0 });
});

test("ignores all other messages", () => {
  const long = `${"a".repeat(5000)}:1`;
  for (const location of ["", "pod.yaml", "pod.yaml:x", ":3", "pod\0.yaml:1", long, 3, null, ["pod.yaml:1"]]) {
    assert.equal(parseLocation({ location }), undefined);
  }
  for (const message of [undefined, null, "pod.yaml:1", 1, {}]) assert.equal(parseLocation(message), undefined);
});

test("passes folders as paths, never as options", () => {
  const none = { frameworks: [], config: "", minimumSeverity: "" };
  assert.deepEqual(createScanArguments("/home/--help", "/tmp/r.html", none).slice(-2), ["--", "--help"]);
  assert.deepEqual(createScanArguments("/", "/tmp/r.html", { frameworks: ["nsa", "mitre"], config: "/k.yaml", minimumSeverity: "high" }), [
    "scan",
    ...["--framework", "nsa,mitre", "--config", "/k.yaml", "--min-severity", "high"],
    ...["--format", "html", "--output", "/tmp/r.html", "--", "."],
  ]);
});
