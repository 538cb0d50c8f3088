/** All findings of workloads and other subjects, the most urgent first. */
import { client, load, type Schemas } from "../../api/client";
import { Reasons } from "../../components/finding";
import { FilteredToNothing, Filters, isFiltered, SEVERITY_FILTER, type Filter } from "../../components/filters";
import { describeRows, List, usePages, type Column } from "../../components/list";
import { Page } from "../../components/page";
import { Severity } from "../../components/severity";
import { Empty } from "../../components/states";
import { Command, Name, Prose } from "../../components/text";
import { Time } from "../../components/time";
import { nameSource, nameSubject } from "../../sources";
import { useUrl } from "../../url";
import { FindingPanel } from "./panel";

type Row = Schemas["FindingRow"];

const LENGTH = 100;
const FILTERS: Filter[] = [
  { name: "text", label: "Control, title or workload" },
  SEVERITY_FILTER,
  {
    name: "exposed",
    label: "Reach",
    choices: [
      { value: "true", label: "Reachable from outside" },
      { value: "false", label: "Not reachable" },
    ],
  },
  {
    name: "state",
    label: "State",
    choices: [
      { value: "unknown", label: "Not seen lately" },
      { value: "suppressed", label: "Covered by an exception" },
    ],
  },
  { name: "kind", label: "Kind", isList: true, choices: ["Deployment", "StatefulSet", "DaemonSet", "CronJob", "Job", "Pod", "ServiceAccount", "ClusterRole", "Namespace"].map((kind) => ({ value: kind, label: kind })) },
];
/** Filters that links set. */
const LINKED: Filter[] = [
  { name: "name", label: "Workload", isList: true },
  { name: "namespace", label: "Namespace", isList: true },
  { name: "definition", label: "Control", isList: true },
];

const COLUMNS: Column<Row>[] = [
  { title: "Finding", kind: "main", cell: (row) => <Title row={row} /> },
  { title: "Severity", order: "severity", cell: (row) => <Severity level={row.severity} /> },
  { title: "Where", cell: (row) => <Where row={row} /> },
  { title: "Why it matters", order: "priority", cell: (row) => <Reasons exposure={row.exposure} /> },
  { title: "Open since", order: "newest", cell: (row) => <OpenSince row={row} /> },
];

export default function Findings() {
  const url = useUrl();
  const order = url.get("order") || "priority";
  const selection = {
    source: url.list("source").map(Number),
    text: url.get("text"),
    name: url.list("name"),
    namespace: url.list("namespace"),
    kind: url.list("kind"),
    definition: url.list("definition"),
    severity: url.list("severity"),
    state: (url.get("state") || "open") as Schemas["FindingState"],
    exposed: url.get("exposed") ? url.get("exposed") === "true" : undefined,
  };
  const pages = usePages(["findings", order, selection], (cursor) =>
    load(client.GET("/api/v1/findings", { params: { query: { ...selection, order: order as Schemas["FindingOrder"], cursor, limit: LENGTH } } })),
  );
  const filters = [...FILTERS, ...LINKED.filter((filter) => url.list(filter.name).length)];
  const open = url.get("open");
  return (
    <Page title="Findings" summary={pages.data && describe(describeRows(pages, "finding"), order)}>
      <Filters url={url} filters={filters} />
      <div className="kk-split">
        <div className="kk-split-main">
          <List
            caption="Findings"
            pages={pages}
            columns={COLUMNS}
            rowKey={keyOf}
            href={(row) => `/findings${url.with({ open: keyOf(row) })}`}
            openKey={open}
            order={order}
            onOrder={(next) => url.set({ order: next === "newest" && order === "newest" ? "oldest" : next })}
            empty={isFiltered(url, filters) ? <FilteredToNothing url={url} filters={filters} /> : <Nothing />}
          />
        </div>
        {open && <FindingPanel key={open} open={open} onClose={() => url.set({ open: "" })} />}
      </div>
    </Page>
  );
}

function keyOf(row: Row): string {
  return `${row.source}.${row.subject}.${row.fingerprint}`;
}

function describe(count: string, order: string): string {
  const orders: Record<string, string> = { priority: "the most urgent first", severity: "the most severe first", newest: "the newest first", oldest: "the oldest first" };
  return `${count}, ${orders[order] ?? ""}.`;
}

function Title({ row }: { row: Row }) {
  return (
    <>
      <span className="kk-id">{row.definition.split("/").at(-1)}</span> {row.title}
      {row.remediation && (
        <span className="kk-soft kk-clamp">
          <Prose text={row.remediation} />
        </span>
      )}
    </>
  );
}

function Where({ row }: { row: Row }) {
  return (
    <span className="kk-where">
      <a href={`/workloads/${row.source}/${row.subject}`}>
        <Name text={nameSubject(row)} />
      </a>
      <span className="kk-soft">
        {row.kind} in <Name text={nameSource({ name: row.sourceName, branch: row.branch })} />
      </span>
    </span>
  );
}

function OpenSince({ row }: { row: Row }) {
  return (
    <>
      <Time value={row.opened} />
      {row.unknownSince && (
        <span className="kk-notice">
          not seen since <Time value={row.unknownSince} />
        </span>
      )}
    </>
  );
}

function Nothing() {
  return (
    <Empty title="No open findings">
      <p>Either nothing is wrong in what was evaluated, or nothing was submitted yet. Submit a scan:</p>
      <Command text="kubekeep scan --submit" />
    </Empty>
  );
}
