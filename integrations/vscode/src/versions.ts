// Comparison of the versions of extension and program. Values only.

import * as path from "node:path";
import type { Files } from "./program.ts";

/**
 * Return the warning with the command to update; undefined for versions that belong together, or an unknown one.
 *
 * interpreter: the Python of the program; empty if unknown.
 */
export function describeMismatch(
  extension: string,
  server: string | undefined,
  program: string,
  interpreter: string,
): string | undefined {
  const own = parseVersion(extension);
  const other = parseVersion(server ?? "");
  if (own === undefined || other === undefined || (own[0] === other[0] && own[1] === other[1])) return undefined;
  const isOlder = other[0] < own[0] || (other[0] === own[0] && other[1] < own[1]);
  const versions = `Kubekeep ${server} (${program}) and its extension ${extension} are different versions.`;
  return isOlder
    ? `${versions} Update the program: ${createUpdateCommand(interpreter)}`
    : `${versions} Update the extension: code --install-extension kubekeep.vsix`;
}

/** Return the Python in the folder of a program, with links resolved; empty if there is none. */
export async function findPython(program: string, files: Files, platform: NodeJS.Platform): Promise<string> {
  const name = platform === "win32" ? "python.exe" : "python";
  const interpreter = path.join(path.dirname(await files.realpath(program)), name);
  return (await files.isExecutable(interpreter)) ? interpreter : "";
}

function createUpdateCommand(interpreter: string): string {
  if (interpreter === "") return "pip install --upgrade kubekeep";
  const quote = /^[\w./:\\-]+$/.test(interpreter) ? "" : '"';
  return `${quote}${interpreter}${quote} -m pip install --upgrade kubekeep`;
}

function parseVersion(text: string): [major: number, minor: number] | undefined {
  const match = /^(\d+)\.(\d+)(?=\D|$)/.exec(text);
  return match === null ? undefined : [Number(match[1]), Number(match[2])];
}
