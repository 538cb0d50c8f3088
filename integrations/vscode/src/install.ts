// The command that installs kubekeep into a virtual environment. A text for a shell; runs nothing.

const REQUIREMENT = "kubekeep[helm,kustomize,lsp,terraform]";

export interface ShellCommand {
  /** Program and arguments of the shell, without the command. */
  readonly shell: string;
  readonly options: readonly string[];
  readonly command: string;
}

/** Return the command that creates the environment and installs the package into it. */
export function createInstallCommand(environment: string, platform: NodeJS.Platform): ShellCommand {
  if (platform === "win32") {
    const quoted = quotePowerShell(environment);
    const python = quotePowerShell(`${environment}\\Scripts\\python.exe`);
    const command = `py -3 -m venv ${quoted}; if ($?) { & ${python} -m pip install '${REQUIREMENT}' }`;
    return { shell: "powershell.exe", options: ["-NoProfile", "-Command"], command };
  }
  const python = quoteShell(`${environment}/bin/python`);
  const command = `python3 -m venv ${quoteShell(environment)} && ${python} -m pip install '${REQUIREMENT}'`;
  return { shell: "/bin/sh", options: ["-c"], command };
}

function quoteShell(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

function quotePowerShell(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
