/** Filters of findings: parameters of the URL, and those of the API. */
import type { Schemas } from "../../api/client";
import { PRIORITY_FILTER, SEVERITY_FILTER, type Filter } from "../../components/filters";
import { OWNER } from "../../components/owners";
import type { UrlState } from "../../url";

export type Group = "control" | "change" | "workload";

const KINDS = ["Deployment", "StatefulSet", "DaemonSet", "CronJob", "Job", "Pod", "ServiceAccount", "Role", "ClusterRole", "Namespace", "Node", "Service", "Ingress"];
/** Filters of the definition and of the reach, which groups by control have too. */
const SHARED: Filter[] = [
  PRIORITY_FILTER,
  {
    name: "exposed",
    label: "Reach",
    choices: [
      { value: "true", label: "Reachable from outside" },
      { value: "false", label: "Not reachable" },
    ],
  },
  SEVERITY_FILTER,
  {
    name: "definitionKind",
    label: "Problem",
    isList: true,
    isRare: true,
    choices: [
      { value: "misconfiguration", label: "Misconfiguration" },
      { value: "secret", label: "Secret" },
      { value: "vulnerability", label: "Vulnerability" },
      { value: "signature", label: "Signature" },
      { value: "drift", label: "Drift" },
      { value: "runtime", label: "Runtime" },
    ],
  },
];
const OWN: Filter[] = [
  {
    name: "due",
    label: "Due",
    choices: [
      { value: "overdue", label: "Overdue" },
      { value: "week", label: "Within a week" },
    ],
  },
  { name: "kind", label: "Kind", isList: true, isRare: true, choices: KINDS.map((kind) => ({ value: kind, label: kind })) },
  {
    name: "state",
    label: "State",
    isRare: true,
    choices: [
      { value: "unknown", label: "Not seen lately" },
      { value: "decided", label: "Covered by a decision" },
      { value: "suppressed", label: "Covered by an exception" },
    ],
  },
  { name: "label", label: "Kubernetes label, such as app=web", isList: true, isRare: true },
  { name: "openedSince", label: "Opened since", isDate: true, isRare: true },
  { name: "openedBefore", label: "Opened before", isDate: true, isRare: true },
];
/** Filters that links set. */
const LINKED: Filter[] = [
  { name: "name", label: "Workload", isList: true },
  { name: "namespace", label: "Namespace", isList: true },
  { name: "definition", label: "Control", isList: true },
];

/** Return the filters that a list, or its groups, has. owner: the filter of the owner. */
export function listFilters(url: UrlState, group: Group | "", owner: Filter[]): Filter[] {
  const isTotal = group === "control" || group === "change";
  const linked = LINKED.filter((filter) => url.list(filter.name).length && (!isTotal || filter.name === "definition"));
  return [{ name: "text", label: isTotal ? "Control or title" : "Control, title or workload" }, ...SHARED, ...(isTotal ? [] : [...OWN, ...owner]), ...linked];
}

/** Return the parameters that groups by control do not have, without values. */
export function clearOwn(): Record<string, string> {
  return Object.fromEntries([...OWN, ...LINKED, { name: OWNER }].filter((filter) => filter.name !== "definition").map((filter) => [filter.name, ""]));
}

/** Return the filters of groups by control, for the API. */
export function readShared(url: UrlState) {
  return {
    source: url.list("source").map(Number),
    text: url.get("text"),
    definition: url.list("definition"),
    definitionKind: url.list("definitionKind"),
    priority: url.list("priority"),
    severity: url.list("severity"),
    exposed: url.get("exposed") ? url.get("exposed") === "true" : undefined,
  };
}

/** Return all filters, for the API. */
export function readSelection(url: UrlState) {
  return {
    ...readShared(url),
    name: url.list("name"),
    namespace: url.list("namespace"),
    kind: url.list("kind"),
    owner: url.list(OWNER),
    label: url.list("label"),
    state: (url.get("state") || "open") as Schemas["FindingState"],
    due: (url.get("due") || undefined) as Schemas["DueFilter"] | undefined,
    openedSince: readDay(url.get("openedSince")),
    openedBefore: readDay(url.get("openedBefore")),
  };
}

/** Return the beginning of a day in the time zone of the user, for the API. */
function readDay(day: string): string | undefined {
  const moment = new Date(`${day}T00:00`);
  return Number.isNaN(moment.getTime()) ? undefined : moment.toISOString();
}
