// The program of this window: reads settings, trust and environments of VS Code for the search. Starts nothing.

import { constants } from "node:fs";
import { access, realpath, stat } from "node:fs/promises";
import * as path from "node:path";
import * as vscode from "vscode";
import { findProgram, type Files, type Result } from "./program.ts";
import { readProgramPath } from "./settings.ts";

const PYTHON_EXTENSION = "ms-python.python";

/** The file system. */
export const FILES: Files = {
  async isExecutable(file) {
    try {
      await access(file, constants.X_OK);
      return (await stat(file)).isFile();
    } catch {
      return false;
    }
  },
  async realpath(file) {
    try {
      return await realpath(file);
    } catch {
      return file;
    }
  },
};

/** Return the folder of the virtual environment that the install command creates, outside of all workspaces. */
export function getOwnEnvironment(context: vscode.ExtensionContext): string {
  return path.join(context.globalStorageUri.fsPath, "venv");
}

/** Search for the program. */
export async function searchProgram(context: vscode.ExtensionContext): Promise<Result> {
  const folders = (vscode.workspace.workspaceFolders ?? []).map((folder) => folder.uri.fsPath);
  const isTrusted = vscode.workspace.isTrusted;
  const search = {
    setting: readProgramPath(),
    folders: isTrusted ? folders : [],
    interpreter: isTrusted ? findInterpreter() : "",
    ownEnvironment: getOwnEnvironment(context),
    searchPath: process.env["PATH"] ?? "",
    forbidden: isTrusted ? [] : folders,
    platform: process.platform,
  };
  return findProgram(search, FILES);
}

/** Return the interpreter that the Python extension has selected; empty if it is not active. */
function findInterpreter(): string {
  const extension = vscode.extensions.getExtension<unknown>(PYTHON_EXTENSION);
  const exports = extension?.isActive === true ? (extension.exports as PythonExports | undefined) : undefined;
  const interpreter = exports?.environments?.getActiveEnvironmentPath?.().path ?? "";
  return path.isAbsolute(interpreter) ? interpreter : "";
}

/** The part of the API of the Python extension that is used; other versions may lack it. */
interface PythonExports {
  readonly environments?: { getActiveEnvironmentPath?(): { readonly path: string } };
}
