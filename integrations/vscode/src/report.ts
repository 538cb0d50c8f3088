// Preview of the HTML report: runs a scan of a folder and shows its page in a webview that can request nothing.

import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtemp, readFile, realpath, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import * as path from "node:path";
import * as vscode from "vscode";
import { searchProgram } from "./environment.ts";
import { contains, type Program } from "./program.ts";
import { createReportPage, createScanArguments, parseLocation } from "./reportPage.ts";
import { readServerSettings } from "./settings.ts";

const MAXIMUM_BYTES = 100 << 20;
const ERROR_CHARACTERS = 2000;

/** Register the command. */
export function registerReport(context: vscode.ExtensionContext, output: vscode.LogOutputChannel): vscode.Disposable {
  return vscode.commands.registerCommand("kubekeep.openReport", async (folder?: vscode.Uri) => {
    const selected = folder instanceof vscode.Uri ? folder : await pickFolder();
    if (selected === undefined) return;
    try {
      await openReport(context, output, selected.fsPath);
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      output.error(`Report: ${text}`);
      await vscode.window.showErrorMessage(`The report of ${path.basename(selected.fsPath)} cannot be shown: ${text}`);
    }
  });
}

async function pickFolder(): Promise<vscode.Uri | undefined> {
  const folders = vscode.workspace.workspaceFolders ?? [];
  if (folders.length === 0) void vscode.window.showInformationMessage("Open a folder first.");
  return folders.length > 1 ? (await vscode.window.showWorkspaceFolderPick())?.uri : folders[0]?.uri;
}

async function openReport(context: vscode.ExtensionContext, output: vscode.LogOutputChannel, folder: string): Promise<void> {
  const search = await searchProgram(context);
  if ("cause" in search) throw new Error(search.cause);
  const title = `Kubekeep is scanning ${path.basename(folder)}`;
  const options = { location: vscode.ProgressLocation.Notification, title, cancellable: true };
  const html = await vscode.window.withProgress(options, (_, token) => scan(search, folder, token, output));
  if (html !== undefined) showPage(html, folder, vscode.Uri.joinPath(context.extensionUri, "media", "icon.png"));
}

/** Return the page of a scan; undefined if the user cancels it. */
async function scan(
  program: Program,
  folder: string,
  token: vscode.CancellationToken,
  output: vscode.LogOutputChannel,
): Promise<string | undefined> {
  const temporary = await mkdtemp(path.join(tmpdir(), "kubekeep-"));
  try {
    const file = path.join(temporary, "report.html");
    const errors = await run(program, createScanArguments(folder, file, readServerSettings()), path.dirname(folder), token);
    if (token.isCancellationRequested) return undefined;
    output.info(errors.trim());
    const size = await stat(file).then(
      (status) => status.size,
      () => undefined,
    );
    if (size === undefined) throw new Error(errors.trim().split("\n").at(-1) || "the scan wrote no report");
    if (size > MAXIMUM_BYTES) throw new Error(`it has more than ${MAXIMUM_BYTES >> 20} MB; use kubekeep scan --format html`);
    return await readFile(file, "utf8");
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

/** Run the program and return the end of its error output. A gate that fails changes the exit code, not the report. */
async function run(
  { program, searchPath }: Program,
  options: readonly string[],
  cwd: string,
  token: vscode.CancellationToken,
): Promise<string> {
  const env = { ...process.env, PATH: searchPath };
  const child = spawn(program, options, { cwd, env, shell: false, windowsHide: true, stdio: ["ignore", "ignore", "pipe"] });
  let errors = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    errors = (errors + text).slice(-ERROR_CHARACTERS);
  });
  const listener = token.onCancellationRequested(() => child.kill());
  try {
    await new Promise<void>((resolve, reject) => child.once("close", () => resolve()).once("error", reject));
  } finally {
    listener.dispose();
  }
  return errors;
}

function showPage(html: string, folder: string, icon: vscode.Uri): void {
  const page = createReportPage(html, randomBytes(18).toString("base64"));
  const title = `Kubekeep: ${path.basename(folder)}`;
  const panel = vscode.window.createWebviewPanel("kubekeep.report", title, vscode.ViewColumn.Active, {
    enableScripts: true,
    enableForms: false,
    enableCommandUris: false,
    enableFindWidget: true,
    localResourceRoots: [],
    // The page is large, and its filters would be lost.
    retainContextWhenHidden: true,
  });
  panel.iconPath = icon;
  panel.webview.onDidReceiveMessage((message) => openLocation(message, folder));
  panel.webview.html = page;
}

/** Open a location of the report if it is a file in the scanned folder. */
async function openLocation(message: unknown, folder: string): Promise<void> {
  const location = parseLocation(message);
  if (location === undefined) return;
  const file = await resolveLocation(location.file, folder);
  if (file === undefined) {
    await vscode.window.showInformationMessage(`${location.file} is not a file in ${path.basename(folder)}.`);
    return;
  }
  const position = new vscode.Position(location.line, location.column);
  await vscode.window.showTextDocument(vscode.Uri.file(file), { selection: new vscode.Range(position, position) });
}

/** Return the path of a file of the report without symbolic links; undefined if the folder does not contain it. */
async function resolveLocation(file: string, folder: string): Promise<string | undefined> {
  try {
    // Locations are relative to the folder in which the scan ran.
    const resolved = await realpath(path.resolve(path.dirname(folder), file));
    return contains(await realpath(folder), resolved) && (await stat(resolved)).isFile() ? resolved : undefined;
  } catch {
    return undefined;
  }
}
