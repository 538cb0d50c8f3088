import assert from "node:assert/strict";
import { test } from "node:test";
import { describeMismatch, findPython } from "../src/versions.ts";

const PROGRAM = "/home/me/shop/.venv/bin/kubekeep";
const PYTHON = "/home/me/shop/.venv/bin/python";

test("versions with the same major and minor number belong together", () => {
  for (const server of ["0.1.0", "0.1.9", "0.1.0rc1", "0.1.0+local", "0.1"]) {
    assert.equal(describeMismatch("0.1.0", server, PROGRAM, PYTHON), undefined, server);
  }
});

test("an unknown version is no mismatch", () => {
  for (const server of [undefined, "", "main", "1"]) {
    assert.equal(describeMismatch("0.1.0", server, PROGRAM, PYTHON), undefined, server);
  }
});

test("an older program is to be updated", () => {
  for (const [extension, server] of [["0.2.0", "0.1.9"], ["1.0.0", "0.9.0"], ["0.10.0", "0.9.0"]] as const) {
    assert.equal(
      describeMismatch(extension, server, PROGRAM, PYTHON),
      `Kubekeep ${server} (${PROGRAM}) and its extension ${extension} are different versions. ` +
        "Update the program: /home/me/shop/.venv/bin/python -m pip install --upgrade kubekeep",
    );
  }
});

test("an older extension is to be updated", () => {
  for (const [extension, server] of [["0.1.9", "0.2.0"], ["0.9.0", "1.0.0"], ["0.9.0", "0.10.0"]] as const) {
    assert.match(describeMismatch(extension, server, PROGRAM, PYTHON) ?? "", /Update the extension: code --install-extension/);
  }
});

test("the command is quoted, and names no Python that is unknown", () => {
  assert.match(describeMismatch("2.0.0", "1.0.0", PROGRAM, "/my files/bin/python") ?? "", /: "\/my files\/bin\/python" -m pip/);
  assert.match(describeMismatch("2.0.0", "1.0.0", PROGRAM, "") ?? "", /: pip install --upgrade kubekeep$/);
});

test("the Python is in the folder of the program behind links", async () => {
  const files = {
    isExecutable: async (file: string) => file === PYTHON,
    realpath: async (file: string) => (file === "/home/me/.local/bin/kubekeep" ? PROGRAM : file),
  };
  assert.equal(await findPython("/home/me/.local/bin/kubekeep", files, "linux"), PYTHON);
  assert.equal(await findPython("/usr/bin/kubekeep", files, "linux"), "");
});
