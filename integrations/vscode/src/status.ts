// The state of the server in the status bar, and as the context key that selects the welcome text of the view.

import * as vscode from "vscode";

export type State = "starting" | "scanning" | "idle" | "failed" | "missing";

const TEXTS: Readonly<Record<State, readonly [icon: string, text: string]>> = {
  starting: ["sync~spin", "Kubekeep is starting"],
  scanning: ["sync~spin", "Kubekeep is scanning"],
  idle: ["shield", "Kubekeep is ready"],
  failed: ["error", "The server of Kubekeep has stopped"],
  missing: ["warning", "The program kubekeep was not found"],
};

/** The entry of the status bar; a click shows the output. */
export class Status implements vscode.Disposable {
  private readonly entry = vscode.window.createStatusBarItem("kubekeep.status", vscode.StatusBarAlignment.Left);
  private state: State = "starting";
  private count = 0;

  constructor() {
    this.entry.name = "Kubekeep";
    this.entry.command = "kubekeep.showOutput";
    this.update();
    this.entry.show();
  }

  /** Show a state. */
  setState(state: State): void {
    this.state = state;
    this.update();
  }

  /** Show the number of findings while the server is ready. */
  setCount(count: number): void {
    this.count = count;
    this.update();
  }

  dispose(): void {
    this.entry.dispose();
  }

  private update(): void {
    const [icon, text] = TEXTS[this.state];
    const isReady = this.state === "idle";
    this.entry.text = `$(${icon}) Kubekeep${isReady ? `: ${this.count}` : ""}`;
    this.entry.tooltip = `${text}${isReady ? `. ${describeCount(this.count)}` : ""}. Click to show the output.`;
    this.entry.accessibilityInformation = { label: this.entry.tooltip, role: "button" };
    const isError = this.state === "failed" || this.state === "missing";
    this.entry.backgroundColor = isError ? new vscode.ThemeColor("statusBarItem.warningBackground") : undefined;
    void vscode.commands.executeCommand("setContext", "kubekeep.state", this.state);
  }
}

/** Return "1 finding", "2 findings". */
export function describeCount(count: number): string {
  return `${count} ${count === 1 ? "finding" : "findings"}`;
}
