// Search for the program `kubekeep`. Reads the file system through its arguments only; starts and installs nothing.

import * as path from "node:path";

export interface Search {
  /** The setting `kubekeep.path`; empty if not set. */
  readonly setting: string;
  /** Folders whose `.venv` or `venv` may contain the program; empty if the workspace is not trusted. */
  readonly folders: readonly string[];
  /** The interpreter of the Python extension; empty if unknown. */
  readonly interpreter: string;
  /** The virtual environment that the install command creates. */
  readonly ownEnvironment: string;
  /** The value of the variable PATH. */
  readonly searchPath: string;
  /** Folders that no program may come from: those of an untrusted workspace. */
  readonly forbidden: readonly string[];
  readonly platform: NodeJS.Platform;
}

export interface Files {
  /** Return true if the file exists and may be executed. */
  isExecutable(file: string): Promise<boolean>;
  /** Return the path without symbolic links. */
  realpath(file: string): Promise<string>;
}

export interface Program {
  readonly program: string;
  /** Folders of PATH in which the program may itself look for programs. */
  readonly searchPath: string;
}

export type Result = Program | { readonly cause: string };

const ENVIRONMENTS = [".venv", "venv"];

/** Return the first program in the order of the documentation, or the cause why there is none. */
export async function findProgram(search: Search, files: Files): Promise<Result> {
  const searchPath = await filterSearchPath(search, files);
  if (search.setting !== "") {
    if (!path.isAbsolute(search.setting)) {
      return { cause: `kubekeep.path is "${search.setting}", which is not an absolute path.` };
    }
    const isUsable = (await files.isExecutable(search.setting)) && (await isAllowed(search.setting, search, files));
    return isUsable
      ? { program: search.setting, searchPath }
      : { cause: `kubekeep.path is "${search.setting}", which is not a program that may be run.` };
  }
  for (const program of listCandidates({ ...search, searchPath })) {
    if ((await files.isExecutable(program)) && (await isAllowed(program, search, files))) return { program, searchPath };
  }
  const locations = search.forbidden.length > 0 ? "on PATH" : "in .venv and venv of the workspace, or on PATH";
  const trust = search.forbidden.length > 0 ? " Programs of this workspace are not run, because it is not trusted." : "";
  return { cause: `The program kubekeep was not found ${locations}.${trust}` };
}

/** Yield the paths that may be the program, the preferred ones first. */
export function* listCandidates(search: Search): Generator<string> {
  for (const folder of search.folders) {
    for (const environment of ENVIRONMENTS) yield programOf(path.join(folder, environment), search.platform);
  }
  if (search.interpreter !== "") yield path.join(path.dirname(search.interpreter), nameOf(search.platform));
  yield programOf(search.ownEnvironment, search.platform);
  for (const folder of search.searchPath.split(separatorOf(search.platform))) {
    if (folder !== "") yield path.join(folder, nameOf(search.platform));
  }
}

/** Return PATH without relative folders, which a workspace may control, and without forbidden ones. */
async function filterSearchPath(search: Search, files: Files): Promise<string> {
  const allowed = [];
  for (const folder of search.searchPath.split(separatorOf(search.platform))) {
    if (path.isAbsolute(folder) && (await isAllowed(folder, search, files))) allowed.push(folder);
  }
  return allowed.join(separatorOf(search.platform));
}

function separatorOf(platform: NodeJS.Platform): string {
  return platform === "win32" ? ";" : ":";
}

/** Return the path of the program in a virtual environment. */
export function programOf(environment: string, platform: NodeJS.Platform): string {
  return path.join(environment, platform === "win32" ? "Scripts" : "bin", nameOf(platform));
}

function nameOf(platform: NodeJS.Platform): string {
  return platform === "win32" ? "kubekeep.exe" : "kubekeep";
}

async function isAllowed(program: string, search: Search, files: Files): Promise<boolean> {
  if (search.forbidden.length === 0) return true;
  const locations = [path.normalize(program), await files.realpath(program)];
  const folders = [...search.forbidden, ...(await Promise.all(search.forbidden.map((folder) => files.realpath(folder))))];
  return !locations.some((location) => folders.some((folder) => contains(folder, location)));
}

/** Return true if a folder contains a path, or is it. */
export function contains(folder: string, file: string): boolean {
  const relative = path.relative(folder, file);
  return relative === "" || (relative !== ".." && !relative.startsWith(`..${path.sep}`) && !path.isAbsolute(relative));
}
