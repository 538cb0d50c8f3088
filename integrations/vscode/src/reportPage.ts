// The page of a report for a webview: the page of Kubekeep under a second, equally strict policy. Texts only.

import * as path from "node:path";

const HEAD =
  /^<!doctype html>\s*<html lang="en">\s*<head>(?=\s*<meta charset="utf-8">\s*<meta http-equiv="Content-Security-Policy" content="([^"]*)">)/;
const SCRIPT_HASH = /(?:^|; )script-src '(sha256-[A-Za-z0-9+/=]+)'(?:;|$)/;
const LOCATION = /([^\s:][^\n]*?):(\d{1,7})(?::(\d{1,7}))?(?=$|[\s,;)])/;
const MAXIMUM = 4096;

// Sends the text of a location that the user clicks. The extension decides whether it is a file that it may open.
const SCRIPT = `{
  const api = acquireVsCodeApi();
  addEventListener("click", (event) => {
    const place = event.target instanceof Element ? event.target.closest(".place") : null;
    if (place !== null) api.postMessage({ location: place.textContent });
  });
}`;
const STYLE = ".place { cursor: pointer; text-decoration: underline dotted }";

/**
 * Return the page with the policy and the script of the webview in front of its own.
 *
 * Both policies apply: together they allow the script of the report by its hash, the script of the webview by the nonce,
 * and no request. Throws an error for a page without the policy of Kubekeep.
 */
export function createReportPage(html: string, nonce: string): string {
  const head = HEAD.exec(html);
  const hash = SCRIPT_HASH.exec((head?.[1] ?? "").replaceAll("&#39;", "'"))?.[1];
  if (head === null || hash === undefined) {
    throw new Error("The report has no Content Security Policy of Kubekeep. It is not shown.");
  }
  const policy = [
    "default-src 'none'",
    "style-src 'unsafe-inline'",
    `script-src 'nonce-${nonce}' '${hash}'`,
    "base-uri 'none'",
    "form-action 'none'",
  ].join("; ");
  const insertion =
    `<meta http-equiv="Content-Security-Policy" content="${policy}">` +
    `<style>${STYLE}</style><script nonce="${nonce}">${SCRIPT}</script>`;
  return head[0] + insertion + html.slice(head[0].length);
}

export interface ReportLocation {
  readonly file: string;
  /** Line and column from 0. */
  readonly line: number;
  readonly column: number;
}

/** Return the location in a message of the page; undefined for any other value. */
export function parseLocation(message: unknown): ReportLocation | undefined {
  const text = typeof message === "object" && message !== null && "location" in message ? message.location : undefined;
  if (typeof text !== "string" || text.length > MAXIMUM || text.includes("\0")) return undefined;
  const match = LOCATION.exec(text.trim());
  if (match?.[1] === undefined) return undefined;
  return { file: match[1], line: Math.max(Number(match[2]) - 1, 0), column: Math.max(Number(match[3] ?? 1) - 1, 0) };
}

/** Return the arguments of the scan that writes the report. It runs in the folder above, so that paths are short. */
export function createScanArguments(
  folder: string,
  output: string,
  settings: { readonly frameworks: readonly string[]; readonly config: string; readonly minimumSeverity: string },
): string[] {
  const options = settings.frameworks.length > 0 ? ["--framework", settings.frameworks.join(",")] : [];
  if (settings.config !== "") options.push("--config", settings.config);
  // The report counts the findings that the view shows.
  if (settings.minimumSeverity !== "") options.push("--min-severity", settings.minimumSeverity);
  return ["scan", ...options, "--format", "html", "--output", output, "--", path.basename(folder) || "."];
}
