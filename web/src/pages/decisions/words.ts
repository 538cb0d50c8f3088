/** Words for decisions. */
import type { Schemas } from "../../api/client";

export type Kind = Schemas["DecisionKind"];
export type State = Schemas["DecisionState"];
export type Scope = Schemas["DecisionScope"];

export const KINDS: Record<Kind, string> = {
  "accepted-risk": "Risk accepted",
  "false-positive": "False positive",
  "will-not-fix": "Will not be fixed",
  "in-progress": "In progress",
};
export const STATES: Record<State, string> = {
  proposed: "Waits for approval",
  active: "In force",
  rejected: "Rejected",
  ended: "Ended",
  expired: "Expired",
};
/** Values that a sentence lists at most. */
export const SHOWN = 3;

/** Return the findings of a scope as a part of a sentence. */
export function describeScope(scope: Scope): string {
  return `${enumerate(scope.definitions.map((key) => key.split("/").at(-1) ?? key))} ${describeLimits(scope)}`;
}

/** Return where the findings of a scope are, as a part of a sentence. */
export function describeLimits(scope: Scope): string {
  const sources = scope.sources ?? ["*"];
  const limits = [
    (scope.fingerprints ?? []).length && `${scope.fingerprints?.length === 1 ? "one finding" : `${scope.fingerprints?.length} findings`}`,
    list("namespace", scope.namespaces),
    list("kind", scope.kinds),
    list("name", scope.names),
    list("image", scope.images?.map((digest) => digest.slice(0, 19))),
    list("repository", scope.repositories, "repositories"),
    list("package", scope.packages),
    sources.includes("*") ? "" : enumerate(sources.map(nameScope)),
  ].filter(Boolean);
  return limits.length ? `in ${limits.join(", ")}` : "everywhere";
}

const EVERY: Record<string, string> = { "cluster/*": "all clusters", "repository/*": "all repositories", "registry/*": "all registries" };

/** Return the words for a source or several: their key without its type, which the address tells. */
function nameScope(scope: string): string {
  const [kind = "", ...rest] = scope.split("/");
  return EVERY[scope] ?? `${kind} ${rest.join("/").replace(/\/\/$/, "")}`;
}

function list(noun: string, values: readonly string[] | undefined, many = `${noun}s`): string {
  return values?.length ? `${values.length === 1 ? noun : many} ${enumerate(values)}` : "";
}

function enumerate(values: readonly string[]): string {
  const shown = values.slice(0, SHOWN).join(", ");
  return values.length > SHOWN ? `${shown} and ${values.length - SHOWN} more` : shown;
}
