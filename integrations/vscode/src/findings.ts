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
}

export interface FileGroup {
  readonly uri: string;
  readonly findings: readonly Finding[];
}

export interface LevelGroup {
  readonly level: Level;
  readonly files: readonly FileGroup[];
  readonly count: number;
}

/** Return the group of a diagnostic. severity: number of VS Code. data: value that the server attached. */
export function findLevel(severity: number, control: string, data: unknown): Level {
  if (control === "") return "problem";
  const priority = typeof data === "object" && data !== null && "priority" in data ? data.priority : undefined;
  const match = ORDER.find((level) => level === priority);
  return match ?? BY_SEVERITY[severity] ?? "unknown";
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
      .map(([uri, own]) => ({ uri, findings: own.sort(compareFindings) }));
    const count = files.reduce((sum, file) => sum + file.findings.length, 0);
    return count > 0 ? [{ level, files, count }] : [];
  });
}

function compareFindings(one: Finding, other: Finding): number {
  return one.line - other.line || one.column - other.column || compare(one.control, other.control);
}

function compare(one: string, other: string): number {
  return one < other ? -1 : Number(one > other);
}
