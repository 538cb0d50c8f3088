// Commands for one finding or file: they apply code actions of the server. The user saves the changed files.

import * as vscode from "vscode";
import { createFinding, type Node } from "./findingsView.ts";
import { SECTION } from "./settings.ts";

const FIX_ALL = vscode.CodeActionKind.SourceFixAll.append(SECTION);
/** Starts of the titles of the server's actions, which all have the kind of a quick fix. */
const SUPPRESS = "Suppress ";
const CREATE_EXCEPTION = "Add an exception ";

interface Target {
  readonly uri: vscode.Uri;
  readonly range: vscode.Range;
  /** The control of the finding; undefined for all findings in the range. */
  readonly control: string | undefined;
}

/** Register the commands. */
export function registerActions(): vscode.Disposable {
  const register = vscode.commands.registerCommand;
  return vscode.Disposable.from(
    register("kubekeep.suppress", (node?: Node) => applyAction(node, SUPPRESS)),
    register("kubekeep.createException", (node?: Node) => applyAction(node, CREATE_EXCEPTION)),
    register("kubekeep.showExplanation", showExplanation),
    register("kubekeep.fixAll", fixAll),
  );
}

async function applyAction(node: Node | undefined, title: string): Promise<void> {
  const target = findTarget(node);
  if (target === undefined) return showNoFinding();
  // The server knows documents that are open.
  await vscode.workspace.openTextDocument(target.uri);
  const actions = await listActions(target.uri, target.range, vscode.CodeActionKind.QuickFix);
  const matching = actions.filter((action) => action.title.startsWith(title) && concerns(action, target.control));
  const enabled = matching.filter((action) => action.disabled === undefined);
  const reason = matching.find((action) => action.disabled !== undefined)?.disabled?.reason;
  if (enabled.length === 0) {
    return showMessage(reason ?? "Kubekeep offers no such change for this finding.");
  }
  const picked = enabled.length === 1 ? enabled[0] : await pickAction(enabled);
  if (picked !== undefined) await applyEdit(picked);
}

async function fixAll(node?: Node): Promise<void> {
  const uri = node?.kind === "file" ? vscode.Uri.parse(node.group.uri) : vscode.window.activeTextEditor?.document.uri;
  if (uri === undefined) return showMessage("Open a file first.");
  const document = await vscode.workspace.openTextDocument(uri);
  const range = new vscode.Range(0, 0, document.lineCount, 0);
  const [action] = await listActions(uri, range, FIX_ALL);
  if (action === undefined) return showMessage("No finding in this file has a fix without risks.");
  await applyEdit(action);
}

async function showExplanation(node?: Node): Promise<void> {
  const target = findTarget(node);
  if (target === undefined) return showNoFinding();
  const editor = await vscode.window.showTextDocument(target.uri);
  editor.selection = new vscode.Selection(target.range.start, target.range.start);
  editor.revealRange(target.range, vscode.TextEditorRevealType.InCenterIfOutsideViewport);
  await vscode.commands.executeCommand("editor.action.showHover", { focus: "noAutoFocus" });
}

/** Return the finding of a node of the view, or the findings at the cursor. */
function findTarget(node: Node | undefined): Target | undefined {
  if (node?.kind === "finding") {
    const { uri, line, column, control } = node.finding;
    const position = new vscode.Position(line, column);
    return { uri: vscode.Uri.parse(uri), range: new vscode.Range(position, position), control };
  }
  const editor = vscode.window.activeTextEditor;
  if (editor === undefined) return undefined;
  const { uri } = editor.document;
  const own = vscode.languages
    .getDiagnostics(uri)
    .filter((diagnostic) => diagnostic.source === SECTION && createFinding(uri, diagnostic).control !== "");
  const line = editor.document.lineAt(editor.selection.active.line).range;
  const match = own.find(({ range }) => range.contains(editor.selection.active)) ?? own.find(({ range }) => range.intersection(line));
  return match && { uri, range: new vscode.Range(match.range.start, match.range.start), control: undefined };
}

async function listActions(
  uri: vscode.Uri,
  range: vscode.Range,
  kind: vscode.CodeActionKind,
): Promise<vscode.CodeAction[]> {
  return (
    (await vscode.commands.executeCommand<vscode.CodeAction[] | undefined>(
      "vscode.executeCodeActionProvider",
      uri,
      range,
      kind.value,
      // Edits may be computed only for this number of actions.
      100,
    )) ?? []
  );
}

function concerns(action: vscode.CodeAction, control: string | undefined): boolean {
  // The title has no room for the numbers of many controls.
  const codes = action.diagnostics?.map(({ code }) => String((typeof code === "object" ? code.value : code) ?? "")) ?? [];
  const pattern = new RegExp(`\\b${escapePattern(control ?? "")}\\b`);
  return control === undefined || codes.includes(control) || pattern.test(action.title);
}

function escapePattern(text: string): string {
  return text.replaceAll(/[^A-Za-z0-9]/g, "\\$&");
}

async function pickAction(actions: readonly vscode.CodeAction[]): Promise<vscode.CodeAction | undefined> {
  const choices = actions.map((action) => ({ label: action.title, action }));
  const choice = await vscode.window.showQuickPick(choices, { placeHolder: "Select the finding" });
  return choice?.action;
}

async function applyEdit(action: vscode.CodeAction): Promise<void> {
  if (action.edit === undefined || !(await vscode.workspace.applyEdit(action.edit))) {
    await vscode.window.showErrorMessage("The change was not applied, because the file has changed. Try again.");
    return;
  }
  const uri = action.edit.entries()[0]?.[0];
  if (uri !== undefined) await vscode.window.showTextDocument(uri, { preview: false });
}

async function showNoFinding(): Promise<void> {
  await showMessage("No finding of Kubekeep at the cursor. Put the cursor on an underlined line.");
}

async function showMessage(text: string): Promise<void> {
  await vscode.window.showInformationMessage(text);
}
