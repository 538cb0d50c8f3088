// Entry point: connects the server, the view, the status bar and the commands.

import * as vscode from "vscode";
import { registerActions } from "./actions.ts";
import { FindingsView } from "./findingsView.ts";
import { registerMissing, showMissing } from "./missing.ts";
import { registerReport } from "./report.ts";
import { Server } from "./server.ts";
import { SECTION } from "./settings.ts";
import { Status } from "./status.ts";

let server: Server | undefined;

/** Register everything, and start the server. */
export async function activate(context: vscode.ExtensionContext): Promise<void> {
  const output = vscode.window.createOutputChannel("Kubekeep", { log: true });
  const status = new Status();
  const view = new FindingsView();
  const running = (server = new Server(context, output, status));
  const register = vscode.commands.registerCommand;
  context.subscriptions.push(
    output,
    status,
    view,
    running,
    view.onDidCount((count) => status.setCount(count)),
    running.onMissing((cause) => void showMissing(cause)),
    register("kubekeep.restart", () => running.restart()),
    register("kubekeep.showOutput", () => output.show()),
    register("kubekeep.scanWorkspace", () => scanWorkspace(running)),
    registerActions(),
    registerReport(context, output),
    registerMissing(context, () => running.restart()),
    // VS Code may activate the extension before it knows all folders.
    vscode.workspace.onDidChangeWorkspaceFolders(() => running.startIfMissing()),
    vscode.workspace.onDidGrantWorkspaceTrust(() => running.restart()),
    vscode.workspace.onDidChangeConfiguration(async (event) => {
      if (event.affectsConfiguration(`${SECTION}.path`)) await running.restart();
      else if (event.affectsConfiguration(SECTION)) await running.updateSettings();
    }),
  );
  await running.restart();
}

/** Stop the server before the window closes. */
export async function deactivate(): Promise<void> {
  await server?.stop();
}

async function scanWorkspace(running: Server): Promise<void> {
  await vscode.commands.executeCommand("kubekeep.findings.focus");
  const options = { location: { viewId: "kubekeep.findings" }, cancellable: false };
  await vscode.window.withProgress(options, (_, token) => running.scanWorkspace(token));
}
