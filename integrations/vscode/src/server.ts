// The language server `kubekeep lsp`: one process for the window, started, stopped and restarted after crashes.

import { spawn, type ChildProcess } from "node:child_process";
import { homedir } from "node:os";
import * as vscode from "vscode";
import {
  CloseAction,
  DidChangeConfigurationNotification,
  DidChangeWatchedFilesNotification,
  ErrorAction,
  FileChangeType,
  LanguageClient,
  type CloseHandlerResult,
  type DocumentSelector,
  type FileEvent,
  type LanguageClientOptions,
  type Middleware,
} from "vscode-languageclient/node";
import { FILES, searchProgram } from "./environment.ts";
import type { Program } from "./program.ts";
import { RestartLimit } from "./restarts.ts";
import { readServerSettings, SECTION } from "./settings.ts";
import type { Status } from "./status.ts";
import { describeMismatch, findPython } from "./versions.ts";

const SELECTOR: DocumentSelector = [
  { scheme: "file", language: "yaml" },
  { scheme: "file", language: "json" },
  { scheme: "file", language: "helm" },
  { scheme: "file", language: "dockerfile" },
  { scheme: "file", pattern: "**/*.{tf,tofu,tfvars}" },
  { scheme: "file", pattern: "**/templates/**/*.{yaml,yml,tpl}" },
];
/** Exit code of kubekeep for an unknown command or a missing package. */
const USAGE_ERROR = 2;
const EXIT_TIMEOUT = 2000;
const SCAN_TIMEOUT = 120_000;
const ERROR_CHARACTERS = 2000;

/** A client that writes its errors only to the output: `Server` names the cause, where the client names a closed pipe. */
class LoggingClient extends LanguageClient {
  override error(message: string, data?: unknown): void {
    super.error(message, data, false);
  }
}

/** The server and its client. */
export class Server implements vscode.Disposable {
  private client: LanguageClient | undefined;
  private process: ChildProcess | undefined;
  private exit: Promise<number | null> = Promise.resolve(null);
  private errors = "";
  private restarts = new RestartLimit();
  private running = 0;
  /** True if the present process has got a request for the diagnostics of the workspace. */
  private hasScanned = false;
  /** The last warning about versions: a restart does not repeat it. */
  private warning = "";
  private queue: Promise<void> = Promise.resolve();
  private readonly scanned = new vscode.EventEmitter<void>();
  private readonly missing = new vscode.EventEmitter<string>();
  /** Fires with the cause when the program was not found. */
  readonly onMissing = this.missing.event;

  private readonly context: vscode.ExtensionContext;
  private readonly output: vscode.LogOutputChannel;
  private readonly status: Status;

  constructor(context: vscode.ExtensionContext, output: vscode.LogOutputChannel, status: Status) {
    this.context = context;
    this.output = output;
    this.status = status;
  }

  /** Start the server, or stop it and start it again with the present settings. */
  restart(): Promise<void> {
    this.queue = this.queue.then(() => this.replace());
    return this.queue;
  }

  /** Search for the program again if it was missing: a new folder may contain it. */
  startIfMissing(): Promise<void> {
    this.queue = this.queue.then(async () => {
      if (this.client === undefined) await this.replace();
    });
    return this.queue;
  }

  /** Send changed settings. */
  async updateSettings(): Promise<void> {
    if (this.client?.isRunning() === true) {
      const settings = { [SECTION]: readServerSettings() };
      await this.client.sendNotification(DidChangeConfigurationNotification.type, { settings });
    }
  }

  /** Scan the workspace again; resolves when the findings are shown. */
  async scanWorkspace(token: vscode.CancellationToken): Promise<void> {
    if (this.client?.isRunning() !== true) await this.restart();
    if (this.client?.isRunning() !== true) return;
    const changes = (vscode.workspace.workspaceFolders ?? []).map((folder): FileEvent => ({
      uri: folder.uri.toString(),
      type: FileChangeType.Changed,
    }));
    const scan = new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, SCAN_TIMEOUT);
      const listeners = vscode.Disposable.from(this.scanned.event(finish), token.onCancellationRequested(finish));
      function finish(): void {
        clearTimeout(timer);
        listeners.dispose();
        resolve();
      }
    });
    await this.client.sendNotification(DidChangeWatchedFilesNotification.type, { changes });
    await scan;
  }

  dispose(): void {
    this.scanned.dispose();
    this.missing.dispose();
    void this.stop();
  }

  /** Stop the server; resolves when its process has ended. */
  async stop(): Promise<void> {
    const { client, process } = this;
    this.client = undefined;
    try {
      await client?.dispose();
    } catch (error) {
      this.output.warn(`Stopping the server: ${String(error)}`);
    }
    if (process !== undefined && process.exitCode === null) process.kill();
  }

  private async replace(): Promise<void> {
    await this.stop();
    this.status.setState("starting");
    this.restarts = new RestartLimit();
    this.running = 0;
    const result = await searchProgram(this.context);
    if ("cause" in result) {
      this.output.error(result.cause);
      this.status.setState("missing");
      this.missing.fire(result.cause);
      return;
    }
    this.output.info(`Starting ${result.program} lsp`);
    const client = this.createClient(result);
    this.client = client;
    try {
      await client.start();
      this.setRunning(0);
      await this.compareVersions(client, result.program);
    } catch (error) {
      if (this.client === client) this.reportFailure(error);
    }
  }

  /** Warn once about a program of another version; it runs all the same. */
  private async compareVersions(client: LanguageClient, program: string): Promise<void> {
    const own = String(this.context.extension.packageJSON.version);
    const python = await findPython(program, FILES, process.platform);
    const warning = describeMismatch(own, client.initializeResult?.serverInfo?.version, program, python);
    if (warning === undefined || warning === this.warning) return;
    this.warning = warning;
    this.output.warn(warning);
    void vscode.window.showWarningMessage(warning);
  }

  private createClient(program: Program): LanguageClient {
    let isInitialized = false;
    const options: LanguageClientOptions = {
      documentSelector: SELECTOR,
      outputChannel: this.output,
      traceOutputChannel: this.output,
      diagnosticCollectionName: SECTION,
      initializationOptions: readServerSettings(),
      middleware: this.createMiddleware(),
      // The cause is shown by `reportFailure`.
      initializationFailedHandler: () => false,
      errorHandler: {
        error: () => ({ action: ErrorAction.Continue, handled: true }),
        closed: () => this.handleClose(isInitialized),
      },
    };
    const client = new LoggingClient(SECTION, "Kubekeep", () => this.spawn(program), options);
    client.onDidChangeState(() => {
      if (!client.isRunning()) return;
      isInitialized = true;
      this.setRunning(0);
    });
    return client;
  }

  private spawn({ program, searchPath }: Program): Promise<ChildProcess> {
    const env = { ...process.env, PATH: searchPath };
    const child = spawn(program, ["lsp"], { cwd: homedir(), env, shell: false, windowsHide: true });
    this.process = child;
    this.errors = "";
    this.hasScanned = false;
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      this.errors = (this.errors + text).slice(-ERROR_CHARACTERS);
    });
    this.exit = new Promise((resolve) => child.once("exit", resolve));
    return new Promise((resolve, reject) => {
      child.once("spawn", () => resolve(child));
      child.once("error", reject);
    });
  }

  private createMiddleware(): Middleware {
    return {
      provideDiagnostics: (document, previous, token, next) => this.track(async () => next(document, previous, token)),
      provideWorkspaceDiagnostics: async (previous, token, report, next) => {
        // Only the first request is a scan from its start on: the later ones wait in the server for a change.
        const isFirst = !this.hasScanned;
        this.hasScanned = true;
        const request = async () => next(isFirst ? previous : addPlaceholder(previous), token, report);
        const result = await (isFirst ? this.track(request) : request());
        this.scanned.fire();
        return result;
      },
      workspace: {
        configuration: ({ items }) => items.map(({ section }) => (section === SECTION ? readServerSettings() : null)),
      },
    };
  }

  /** Show that the server is scanning until the request has an answer. */
  private async track<T>(request: () => Promise<T>): Promise<T> {
    const client = this.client;
    this.setRunning(this.running + 1);
    try {
      return await request();
    } finally {
      if (this.client === client) this.setRunning(this.running - 1);
    }
  }

  private setRunning(count: number): void {
    this.running = Math.max(count, 0);
    if (this.client?.isRunning() === true) this.status.setState(this.running > 0 ? "scanning" : "idle");
  }

  private async handleClose(isInitialized: boolean): Promise<CloseHandlerResult> {
    const code = await this.waitForExit();
    const cause = `The server has ended${code === null ? "" : ` with exit code ${code}`}.`;
    if (isInitialized && code !== USAGE_ERROR && this.restarts.allow(Date.now())) {
      this.status.setState("starting");
      return { action: CloseAction.Restart, handled: true, message: `${cause} It is started again.` };
    }
    if (isInitialized) this.reportFailure(new Error(`${cause} It is not started again after 5 restarts in 3 minutes.`));
    return { action: CloseAction.DoNotRestart, handled: true, message: cause };
  }

  private async waitForExit(): Promise<number | null> {
    return Promise.race([this.exit, new Promise<null>((resolve) => setTimeout(resolve, EXIT_TIMEOUT, null))]);
  }

  private reportFailure(error: unknown): void {
    this.status.setState("failed");
    const lastLine = this.errors.trim().split("\n").at(-1) ?? "";
    const cause = lastLine !== "" ? lastLine : error instanceof Error ? error.message : String(error);
    this.output.error(`The server of Kubekeep does not run: ${cause}`);
    // Nothing waits for the user: a restart is queued behind the failed start.
    void this.showFailure(cause);
  }

  private async showFailure(cause: string): Promise<void> {
    const restart = "Restart Server";
    const show = "Show Output";
    const choice = await vscode.window.showErrorMessage(`The server of Kubekeep does not run: ${cause}`, restart, show);
    if (choice === restart) await this.restart();
    if (choice === show) this.output.show();
  }
}

/**
 * Return the earlier results, with an empty one if there are none.
 *
 * Without earlier results the server does not wait for a change, and the client repeats the request every two seconds.
 */
function addPlaceholder(previous: readonly PreviousResult[]): PreviousResult[] {
  const folder = vscode.workspace.workspaceFolders?.[0];
  return previous.length > 0 || folder === undefined ? [...previous] : [{ uri: folder.uri, value: "" }];
}

interface PreviousResult {
  uri: vscode.Uri;
  value: string;
}
