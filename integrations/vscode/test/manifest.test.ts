// Consistency of package.json with the sources, the README and the files that it names.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";

const manifest = JSON.parse(readFileSync("package.json", "utf8"));
const sources = readdirSync("src").map((name) => readFileSync(`src/${name}`, "utf8")).join("\n");
const readme = readFileSync("README.md", "utf8");
const contributions = manifest.contributes;
const commands: string[] = contributions.commands.map((entry: { command: string }) => entry.command);
const settings = Object.keys(contributions.configuration.properties);

test("every command is registered, and every registered command is declared", () => {
  const registered = [...sources.matchAll(/\bregister(?:Command)?\("(kubekeep\.\w+)"/g)].map((match) => match[1]);
  assert.deepEqual(registered.sort(), [...commands].sort());
});

test("menus, welcome texts and walkthroughs run declared commands", () => {
  const text = JSON.stringify([contributions.menus, contributions.viewsWelcome, contributions.walkthroughs]);
  const used = [...text.matchAll(/(?:command:|"command":")(kubekeep\.\w+)(?!\.)\b/g)].map((match) => match[1] ?? "");
  assert.ok(used.length > 10);
  for (const command of used) assert.ok(commands.includes(command) || command === "kubekeep.findings", command);
});

test("every state of the server has a welcome text with a button", () => {
  const type = /type State = ([^;]+);/.exec(sources)?.[1] ?? "";
  const states = [...type.matchAll(/"(\w+)"/g)].map((match) => match[1]);
  assert.equal(states.length, 5);
  for (const state of states) {
    const texts = contributions.viewsWelcome.filter((entry: { when: string }) => entry.when.includes(`state == ${state}`));
    assert.ok(texts.length > 0, state);
    for (const { contents } of texts) assert.match(contents, /\[.+\]\(command:/);
  }
});

test("every setting has a description and is in the README", () => {
  for (const name of settings) {
    const setting = contributions.configuration.properties[name];
    assert.ok(setting.markdownDescription && "default" in setting, name);
    assert.ok(readme.includes(`\`${name}\``), name);
  }
});

test("a workspace cannot set the program, and an untrusted one no file", () => {
  assert.equal(contributions.configuration.properties["kubekeep.path"].scope, "machine");
  const { supported, restrictedConfigurations } = manifest.capabilities.untrustedWorkspaces;
  assert.equal(supported, "limited");
  assert.deepEqual(restrictedConfigurations, ["kubekeep.path", "kubekeep.config"]);
});

test("the version of the types is the oldest supported version of VS Code", () => {
  assert.equal(manifest.devDependencies["@types/vscode"], manifest.engines.vscode.replace("^", "~"));
  assert.equal(manifest.dependencies, undefined);
});

test("Terraform files start the extension and are sent to the server", () => {
  const languages = new Map<string, string>(
    contributions.languages.flatMap(({ id, extensions }: { id: string; extensions: string[] }) =>
      extensions.map((extension) => [extension, id]),
    ),
  );
  const pattern = /pattern: "\*\*\/\*\.\{([^}]+)\}"/.exec(sources)?.[1]?.split(",") ?? [];
  for (const extension of [".tf", ".tofu", ".tfvars"]) {
    assert.ok(manifest.activationEvents.includes(`onLanguage:${languages.get(extension)}`), extension);
    assert.ok(pattern.includes(extension.slice(1)), extension);
  }
  for (const extension of [".tf", ".tf.json", ".tofu", ".tofu.json"]) {
    assert.ok(manifest.activationEvents.includes(`workspaceContains:**/*${extension}`), extension);
  }
});
