// The dialogs for a missing program: choose its path, or install it after consent to the exact command.

import * as vscode from "vscode";
import { getOwnEnvironment } from "./environment.ts";
import { createInstallCommand } from "./install.ts";
import { readProgramPath, SECTION } from "./settings.ts";

const DOCUMENTATION = "https://kubekeep.io/docs/guides/vscode/";
const CHOOSE_PATH = "Choose Path";
// The command has the full name, which a notification would cut off.
const INSTALL = "Install...";
const OPEN_DOCUMENTATION = "Open Documentation";

/** Register the commands. restart: called when the program may be in place. */
export function registerMissing(context: vscode.ExtensionContext, restart: () => Promise<void>): vscode.Disposable {
  const register = vscode.commands.registerCommand;
  return vscode.Disposable.from(
    register("kubekeep.choosePath", () => choosePath(restart)),
    register("kubekeep.install", () => install(context, restart)),
    register("kubekeep.openDocumentation", openDocumentation),
  );
}

/** Show the cause, with the next steps. */
export async function showMissing(cause: string): Promise<void> {
  const choice = await vscode.window.showWarningMessage(cause, CHOOSE_PATH, INSTALL, OPEN_DOCUMENTATION);
  if (choice === CHOOSE_PATH) await vscode.commands.executeCommand("kubekeep.choosePath");
  if (choice === INSTALL) await vscode.commands.executeCommand("kubekeep.install");
  if (choice === OPEN_DOCUMENTATION) await openDocumentation();
}

async function choosePath(restart: () => Promise<void>): Promise<void> {
  const options = { canSelectMany: false, openLabel: "Use This Program", title: "Choose the program kubekeep" };
  const [file] = (await vscode.window.showOpenDialog(options)) ?? [];
  if (file === undefined) return;
  // A changed setting restarts the server.
  if (file.fsPath === readProgramPath()) return restart();
  await vscode.workspace.getConfiguration(SECTION).update("path", file.fsPath, vscode.ConfigurationTarget.Global);
}

async function install(context: vscode.ExtensionContext, restart: () => Promise<void>): Promise<void> {
  const { shell, options, command } = createInstallCommand(getOwnEnvironment(context), process.platform);
  const run = "Run in Terminal";
  const detail = `It creates a virtual environment for this extension and downloads packages from PyPI:\n\n${command}`;
  const choice = await vscode.window.showInformationMessage("Run this command to install kubekeep?", { modal: true, detail }, run);
  if (choice !== run) return;
  await vscode.workspace.fs.createDirectory(context.globalStorageUri);
  const execution = new vscode.ShellExecution(command, { executable: shell, shellArgs: [...options] });
  const task = new vscode.Task({ type: "kubekeep" }, vscode.TaskScope.Global, "Install kubekeep", "Kubekeep", execution);
  task.presentationOptions = { reveal: vscode.TaskRevealKind.Always, focus: true };
  const started = await vscode.tasks.executeTask(task);
  const listener = vscode.tasks.onDidEndTaskProcess(async ({ execution: ended, exitCode }) => {
    if (ended !== started) return;
    listener.dispose();
    if (exitCode === 0) await restart();
    else void vscode.window.showErrorMessage("kubekeep was not installed. The terminal shows the cause.");
  });
  context.subscriptions.push(listener);
}

async function openDocumentation(): Promise<void> {
  await vscode.env.openExternal(vscode.Uri.parse(DOCUMENTATION));
}
