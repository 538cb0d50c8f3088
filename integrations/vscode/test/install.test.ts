// The install command, run by a real shell with programs that only print their arguments.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { createInstallCommand } from "../src/install.ts";

const PRINT = '#!/bin/sh\nfor argument; do printf "<%s>" "$argument"; done\necho\n';

test("a shell passes the folder unchanged and evaluates nothing in it", async () => {
  const root = await mkdtemp(join(tmpdir(), "kubekeep-test-"));
  const environment = join(root, "it's $(touch x) `id` \"&\" ; venv");
  await mkdir(join(environment, "bin"), { recursive: true });
  for (const file of [join(root, "python3"), join(environment, "bin", "python")]) {
    await writeFile(file, PRINT);
    await chmod(file, 0o755);
  }
  const { shell, options, command } = createInstallCommand(environment, "linux");
  const output = execFileSync(shell, [...options, command], { env: { PATH: `${root}:/usr/bin:/bin` }, encoding: "utf8" });
  await rm(root, { recursive: true });
  assert.equal(output, `<-m><venv><${environment}>\n<-m><pip><install><kubekeep[helm,kustomize,lsp,terraform]>\n`);
});

test("PowerShell gets single quotes, doubled inside", () => {
  const { shell, command } = createInstallCommand("C:\\it's $x", "win32");
  assert.equal(shell, "powershell.exe");
  assert.equal(
    command,
    "py -3 -m venv 'C:\\it''s $x'; if ($?) { & 'C:\\it''s $x\\Scripts\\python.exe' -m pip install 'kubekeep[helm,kustomize,lsp,terraform]' }",
  );
});
