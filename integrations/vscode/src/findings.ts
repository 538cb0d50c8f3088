// Findings by priority and file, from diagnostics of the server. Values only.

export type Level = "critical" | "high" | "urgent" | "medium" | "low" | "unknown" | "problem";

/** Groups of the view in their order. Without priorities, the server reports both critical and high findings as errors. */
export const LEVELS: Readonly<Record<Level, string>> = {
  critical: "Critical",
  high: "High",
  urgent: "Critical or high",
  medium: "Medium",
  low: "Low",
  unknown: "Unknown",
  problem: "Not evaluated",
};
const ORDER = Object.keys(LEVELS) as Level[];
/** Severities of the protocol as numbers of VS Code. */
const BY_SEVERITY: readonly Level[] = ["urgent", "medium", "low", "unknown"];

export interface Finding {
  readonly uri: string;
  /** Position of the first character, from 0. */
  readonly line: number;
  readonly column: number;
  readonly level: Level;
  /** Number of the control; empty for a problem of the input. */
  readonly control: string;
  readonly message: string;
  /** The control on its resource, the same at each line of evidence; empty if the server does not name it. */
  readonly id: string;
}

/** A finding in one file, at the first of its lines. */
export interface LocatedFinding extends Finding {
  /** Lines of all evidence in the file, from 0. */
  readonly lines: readonly number[];
}

export interface FileGroup {
  readonly uri: string;
  readonly findings: readonly LocatedFinding[];
}

export interface LevelGroup {
  readonly level: Level;
  readonly files: readonly FileGroup[];
  /** Number of findings: one control on one resource, as in reports. A finding in two files counts once. */
  readonly count: number;
}

/** Return the group of a diagnostic. severity: number of VS Code. data: value that the server attached. */
export function findLevel(severity: number, control: string, data: unknown): Level {
  if (control === "") return "problem";
  const priority = typeof data === "object" && data !== null && "priority" in data ? data.priority : undefined;
  const match = ORDER.find((level) => level === priority);
  return match ?? BY_SEVERITY[severity] ?? "unknown";
}

/** Return the findings of a diagnostic: it may stand for several. data: value that the server attached. */
export function splitFinding(finding: Finding, data: unknown): Finding[] {
  const entries = typeof data === "object" && data !== null && "findings" in data ? data.findings : undefined;
  if (!Array.isArray(entries) || finding.control === "") return [finding];
  return entries.map(({ id, control, priority }: { id?: unknown; control?: unknown; priority?: unknown }) => ({
    ...finding,
    id: String(id ?? ""),
    control: String(control ?? finding.control),
    level: ORDER.find((level) => level === priority) ?? finding.level,
  }));
}

/** Return the groups that have findings, critical ones first; files and findings in the order of paths and lines. */
export function groupFindings(findings: Iterable<Finding>): LevelGroup[] {
  const groups = new Map<Level, Map<string, Finding[]>>();
  for (const finding of findings) {
    const files = groups.get(finding.level) ?? new Map<string, Finding[]>();
    groups.set(finding.level, files);
    files.set(finding.uri, [...(files.get(finding.uri) ?? []), finding]);
  }
  return ORDER.flatMap((level) => {
    const files = [...(groups.get(level) ?? [])]
      .sort(([one], [other]) => compare(one, other))
      .map(([uri, own]) => ({ uri, findings: joinLines(own.sort(compareFindings)) }));
    const all = files.flatMap((file) => file.findings);
    const ids = new Set(all.map(({ id }) => id).filter((id) => id !== ""));
    const count = ids.size + all.filter(({ id }) => id === "").length;
    return count > 0 ? [{ level, files, count }] : [];
  });
}

/** Return each finding once, with the lines of all its evidence. */
function joinLines(findings: readonly Finding[]): LocatedFinding[] {
  const joined = new Map<string | Finding, Finding & { lines: number[] }>();
  for (const finding of findings) {
    const key = finding.id === "" ? finding : finding.id;
    const first = joined.get(key);
    if (first === undefined) joined.set(key, { ...finding, lines: [finding.line] });
    else if (!first.lines.includes(finding.line)) first.lines.push(finding.line);
  }
  return [...joined.values()];
}

function compareFindings(one: Finding, other: Finding): number {
  return one.line - other.line || one.column - other.column || compare(one.control, other.control);
}

function compare(one: string, other: string): number {
  return one < other ? -1 : Number(one > other);
}
