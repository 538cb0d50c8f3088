// Settings of the extension. Reads the configuration of VS Code, which already leaves out what an untrusted workspace sets.

import * as path from "node:path";
import * as vscode from "vscode";

export const SECTION = "kubekeep";

/** Settings that the server accepts; it rejects all others. */
export interface ServerSettings {
  readonly frameworks: readonly string[];
  readonly controls: readonly string[];
  readonly minimumSeverity: string;
  readonly config: string;
  readonly debounce: number;
  readonly codeLens: boolean;
  readonly suppression: { readonly reason: string; readonly days: number };
}

/** Return the settings of the server. */
export function readServerSettings(): ServerSettings {
  const settings = vscode.workspace.getConfiguration(SECTION);
  return {
    frameworks: settings.get("frameworks", []),
    controls: settings.get("controls", []),
    minimumSeverity: settings.get("minimumSeverity", ""),
    config: resolveInWorkspace(settings.get("config", "")),
    debounce: settings.get("debounce", 150),
    codeLens: settings.get("codeLens", true),
    suppression: {
      reason: settings.get("suppression.reason", "TODO: add the reason"),
      days: settings.get("suppression.days", 90),
    },
  };
}

/** Return the configured path of the program; empty if not set. */
export function readProgramPath(): string {
  return vscode.workspace.getConfiguration(SECTION).get("path", "").trim();
}

function resolveInWorkspace(file: string): string {
  const folder = vscode.workspace.workspaceFolders?.[0]?.uri.fsPath;
  return file === "" || folder === undefined ? file : path.resolve(folder, file);
}
