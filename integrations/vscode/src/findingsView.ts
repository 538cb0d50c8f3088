// The view of findings: priority, file, finding. Shows the diagnostics of the server; evaluates nothing.

import * as vscode from "vscode";
import {
  findLevel,
  groupFindings,
  LEVELS,
  splitFinding,
  type FileGroup,
  type Finding,
  type Level,
  type LevelGroup,
  type LocatedFinding,
} from "./findings.ts";
import { SECTION } from "./settings.ts";
import { describeCount } from "./status.ts";

export type Node =
  | { readonly kind: "level"; readonly group: LevelGroup }
  | { readonly kind: "file"; readonly level: Level; readonly group: FileGroup }
  | { readonly kind: "finding"; readonly finding: LocatedFinding };

const ICONS: Readonly<Record<Level, readonly [icon: string, color: string]>> = {
  critical: ["error", "charts.red"],
  high: ["error", "charts.orange"],
  urgent: ["error", "charts.red"],
  medium: ["warning", "charts.yellow"],
  low: ["info", "charts.blue"],
  unknown: ["question", "charts.foreground"],
  problem: ["circle-slash", "charts.foreground"],
};
/** Delay in milliseconds: one evaluation changes the diagnostics of many files. */
const DELAY = 100;

/** The tree, with the number of findings as badge. */
export class FindingsView implements vscode.TreeDataProvider<Node>, vscode.Disposable {
  private groups: LevelGroup[] = [];
  private timer: NodeJS.Timeout | undefined;
  private readonly changed = new vscode.EventEmitter<void>();
  readonly onDidChangeTreeData = this.changed.event;
  private readonly counted = new vscode.EventEmitter<number>();
  /** Fires with the number of findings. */
  readonly onDidCount = this.counted.event;
  private readonly view = vscode.window.createTreeView("kubekeep.findings", {
    treeDataProvider: this,
    showCollapseAll: true,
  });
  private readonly resources = vscode.Disposable.from(
    this.view,
    this.changed,
    this.counted,
    vscode.languages.onDidChangeDiagnostics(() => {
      this.timer ??= setTimeout(() => this.update(), DELAY);
    }),
  );

  getChildren(node?: Node): Node[] {
    switch (node?.kind) {
      case undefined:
        return this.groups.map((group) => ({ kind: "level", group }));
      case "level":
        return node.group.files.map((group) => ({ kind: "file", level: node.group.level, group }));
      case "file":
        return node.group.findings.map((finding) => ({ kind: "finding", finding }));
      case "finding":
        return [];
    }
  }

  getTreeItem(node: Node): vscode.TreeItem {
    switch (node.kind) {
      case "level":
        return createLevelItem(node.group);
      case "file":
        return createFileItem(node.level, node.group);
      case "finding":
        return createFindingItem(node.finding);
    }
  }

  dispose(): void {
    clearTimeout(this.timer);
    this.resources.dispose();
  }

  private update(): void {
    this.timer = undefined;
    this.groups = groupFindings(listFindings());
    const count = this.groups.reduce((sum, group) => sum + (group.level === "problem" ? 0 : group.count), 0);
    this.view.badge = count > 0 ? { value: count, tooltip: describeCount(count) } : undefined;
    this.counted.fire(count);
    this.changed.fire();
  }
}

function* listFindings(): Generator<Finding> {
  for (const [uri, diagnostics] of vscode.languages.getDiagnostics()) {
    for (const diagnostic of diagnostics) {
      if (diagnostic.source === SECTION) yield* splitFinding(createFinding(uri, diagnostic), dataOf(diagnostic));
    }
  }
}

/** Return the finding of a diagnostic. */
export function createFinding(uri: vscode.Uri, diagnostic: vscode.Diagnostic): Finding {
  const { code, range, severity, message } = diagnostic;
  const control = String((typeof code === "object" ? code.value : code) ?? "");
  const level = findLevel(severity, control, dataOf(diagnostic));
  return { uri: uri.toString(), line: range.start.line, column: range.start.character, level, control, message, id: "" };
}

function dataOf(diagnostic: vscode.Diagnostic): unknown {
  return "data" in diagnostic ? diagnostic.data : undefined;
}

function createLevelItem({ level, count, files }: LevelGroup): vscode.TreeItem {
  const isUrgent = level === "critical" || level === "high" || level === "urgent";
  const state = isUrgent ? vscode.TreeItemCollapsibleState.Expanded : vscode.TreeItemCollapsibleState.Collapsed;
  const entry = new vscode.TreeItem(LEVELS[level], state);
  const [icon, color] = ICONS[level];
  entry.id = level;
  entry.iconPath = new vscode.ThemeIcon(icon, new vscode.ThemeColor(color));
  entry.description = `${count} in ${files.length} ${files.length === 1 ? "file" : "files"}`;
  entry.contextValue = "level";
  return entry;
}

function createFileItem(level: Level, { uri }: FileGroup): vscode.TreeItem {
  const file = vscode.Uri.parse(uri);
  const parts = vscode.workspace.asRelativePath(file).split("/");
  const entry = new vscode.TreeItem(parts.pop() ?? uri, vscode.TreeItemCollapsibleState.Expanded);
  entry.id = `${level} ${uri}`;
  entry.iconPath = vscode.ThemeIcon.File;
  entry.resourceUri = file;
  entry.description = parts.join("/");
  entry.contextValue = "file";
  return entry;
}

function createFindingItem({ uri, line, lines, column, control, message, level }: LocatedFinding): vscode.TreeItem {
  const entry = new vscode.TreeItem(`${control} ${message}`.trim());
  const position = new vscode.Position(line, column);
  const [icon, color] = ICONS[level];
  entry.iconPath = new vscode.ThemeIcon(icon, new vscode.ThemeColor(color));
  entry.description = `${lines.length === 1 ? "line" : "lines"} ${lines.map((each) => each + 1).join(", ")}`;
  // A plain text: messages quote manifests.
  entry.tooltip = `${control} ${message}`.trim();
  entry.contextValue = control === "" ? "problem" : "finding";
  entry.command = {
    command: "vscode.open",
    title: "Go to Finding",
    arguments: [vscode.Uri.parse(uri), { selection: new vscode.Range(position, position) }],
  };
  return entry;
}
