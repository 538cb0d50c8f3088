// Search for the program in folders on the disk.

import assert from "node:assert/strict";
import { chmod, mkdir, mkdtemp, realpath, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { contains, findProgram, listCandidates, type Files, type Search } from "../src/program.ts";

const FILES: Files = {
  isExecutable: (file) =>
    stat(file).then(
      (status) => status.isFile() && (status.mode & 0o100) !== 0,
      () => false,
    ),
  realpath: (file) => realpath(file).catch(() => file),
};
let root = "";

beforeEach(async () => {
  root = await realpath(await mkdtemp(join(tmpdir(), "kubekeep-test-")));
});
afterEach(() => rm(root, { recursive: true }));

async function addProgram(folder: string, mode = 0o755): Promise<string> {
  const file = join(root, folder, "kubekeep");
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, "");
  await chmod(file, mode);
  return file;
}

function createSearch(changes: Partial<Search> = {}): Search {
  return {
    setting: "",
    folders: [join(root, "shop")],
    interpreter: "",
    ownEnvironment: join(root, "own"),
    searchPath: join(root, "path"),
    forbidden: [],
    platform: "linux",
    ...changes,
  };
}

/** The search in an untrusted workspace. */
function createRestricted(changes: Partial<Search> = {}): Search {
  return createSearch({ folders: [], forbidden: [join(root, "shop")], ...changes });
}

test("prefers the setting, the workspace, the interpreter, the own environment, PATH", async () => {
  const programs = [];
  for (const folder of ["set", "shop/.venv/bin", "shop/venv/bin", "python/bin", "own/bin", "path"]) {
    programs.push(await addProgram(folder));
  }
  const search = createSearch({ setting: programs[0]!, interpreter: join(root, "python/bin/python") });
  const searchPath = search.searchPath;
  assert.deepEqual(await findProgram(search, FILES), { program: programs[0], searchPath });
  for (const program of programs.slice(1)) {
    assert.deepEqual(await findProgram({ ...search, setting: "" }, FILES), { program, searchPath });
    await rm(program);
  }
  const result = await findProgram({ ...search, setting: "" }, FILES);
  assert.match("cause" in result ? result.cause : "", /was not found in \.venv and venv of the workspace, or on PATH/);
});

test("a setting that names no program is an error, even with another program on PATH", async () => {
  await addProgram("path");
  for (const setting of [join(root, "absent"), await addProgram("text", 0o644), root, "kubekeep", "./kubekeep"]) {
    const result = await findProgram(createSearch({ setting }), FILES);
    assert.ok("cause" in result && result.cause.includes(`"${setting}"`), setting);
  }
});

test("skips files that are not executable", async () => {
  await addProgram("shop/.venv/bin", 0o644);
  const program = await addProgram("path");
  assert.deepEqual(await findProgram(createSearch(), FILES), { program, searchPath: dirname(program) });
});

test("runs nothing from an untrusted workspace", async () => {
  const program = await addProgram("shop/.venv/bin");
  const links = join(root, "links");
  await mkdir(links);
  await symlink(program, join(links, "kubekeep"));
  await symlink(join(root, "shop"), join(root, "alias"));
  for (const searchPath of [dirname(program), links, join(root, "alias/.venv/bin"), `${root}/links/../shop/.venv/bin`]) {
    const result = await findProgram(createRestricted({ searchPath }), FILES);
    assert.match("cause" in result ? result.cause : "", /not found on PATH\..* not trusted/, searchPath);
  }
  assert.ok("cause" in (await findProgram(createRestricted({ setting: program }), FILES)));
  const outside = await addProgram("path");
  assert.deepEqual(await findProgram(createRestricted(), FILES), { program: outside, searchPath: dirname(outside) });
});

test("the program gets no relative folder of PATH, and none of an untrusted workspace", async () => {
  const program = await addProgram("path");
  await mkdir(join(root, "shop"));
  await symlink(join(root, "shop"), join(root, "alias"));
  const searchPath = [".", "", "bin", join(root, "path"), join(root, "shop/bin"), join(root, "alias"), "/usr/bin"].join(":");
  const restricted = `${join(root, "path")}:/usr/bin`;
  assert.deepEqual(await findProgram(createRestricted({ searchPath }), FILES), { program, searchPath: restricted });
  const trusted = [join(root, "path"), join(root, "shop/bin"), join(root, "alias"), "/usr/bin"].join(":");
  assert.deepEqual(await findProgram(createSearch({ searchPath }), FILES), { program, searchPath: trusted });
});

test("names the program of Windows", () => {
  const [candidate] = listCandidates(createSearch({ folders: ["/shop"], platform: "win32" }));
  assert.equal(candidate, join("/shop/.venv", "Scripts", "kubekeep.exe"));
});

test("a folder contains itself and what is below it", () => {
  assert.ok(contains("/shop", "/shop"));
  assert.ok(contains("/shop", "/shop/..data/pod.yaml"));
  assert.ok(!contains("/shop", "/shop-2/pod.yaml"));
  assert.ok(!contains("/shop", "/"));
});
