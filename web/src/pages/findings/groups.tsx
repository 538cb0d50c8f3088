/** Findings in groups: by control, by the change that removes them, or by workload. A group opens its findings. */
import { exportHref } from "../../components/export";
import { client, load, type Schemas } from "../../api/client";
import { Reasons } from "../../components/finding";
import { List, useCount, usePages, type Column } from "../../components/list";
import { format, Severity, SeverityCounts } from "../../components/severity";
import { Name, Prose } from "../../components/text";
import { nameSource, nameSubject } from "../../sources";
import { useUrl } from "../../url";
import { readSelection, readShared } from "./selection";
import { Nothing } from "./nothing";

type Control = Schemas["FindingGroup"];
type Subject = Schemas["SubjectGroup"];

const LENGTH = 100;
const SHOWN_NAMES = 4;
const shared: Column<Control>[] = [
  { title: "Priority", cell: (row) => <Severity level={row.priority} /> },
  { title: "Findings", kind: "number", cell: (row) => format(row.findings) },
  { title: "Reachable", kind: "number", cell: (row) => format(row.exposed) },
  { title: "Why it matters", cell: (row) => <Reasons exposure={row.exposure} /> },
];
const COLUMNS: Record<"control" | "change", Column<Control>[]> = {
  control: [{ title: "Control", kind: "main", cell: (row) => <ControlTitle row={row} /> }, ...shared],
  change: [{ title: "Change", kind: "main", cell: (row) => <ChangeTitle row={row} /> }, ...shared],
};
const SUBJECT_COLUMNS: Column<Subject>[] = [
  { title: "Workload", kind: "main", cell: (row) => <SubjectTitle row={row} /> },
  { title: "Findings", cell: (row) => <SeverityCounts counts={row.findings} /> },
  { title: "Fix first", cell: (row) => <Fix title={row.title} remediation={row.remediation} /> },
  { title: "Why it matters", cell: (row) => <Reasons exposure={row.exposure} /> },
];

export function ControlGroups({ by, onCount }: { by: "control" | "change"; onCount: (count: string) => void }) {
  const url = useUrl();
  const selection = readShared(url);
  const pages = usePages(["finding groups", by, selection], (cursor) => load(client.GET("/api/v1/findings/groups", { params: { query: { ...selection, by, cursor, limit: LENGTH } } })));
  useCount(pages, by, onCount);
  return (
    <List
      caption={by === "control" ? "Controls" : "Changes"}
      pages={pages}
      columns={COLUMNS[by]}
      rowKey={(row) => row.definitions[0] ?? ""}
      href={(row) => `/findings${url.with({ group: "", definition: row.definitions })}`}
      csv={exportHref("finding-groups", { ...selection, by })}
      empty={<Nothing url={url} group={by} />}
    />
  );
}

export function SubjectGroups({ onCount }: { onCount: (count: string) => void }) {
  const url = useUrl();
  const selection = readSelection(url);
  const pages = usePages(["finding subjects", selection], (cursor) => load(client.GET("/api/v1/findings/subjects", { params: { query: { ...selection, cursor, limit: LENGTH } } })));
  useCount(pages, "workload or other subject", onCount, "workloads and other subjects");
  return (
    <List
      caption="Workloads"
      pages={pages}
      columns={SUBJECT_COLUMNS}
      rowKey={(row) => `${row.source}.${row.subject}`}
      href={(row) => `/findings${url.with({ group: "", source: String(row.source), namespace: row.namespace, kind: row.kind, name: row.name })}`}
      csv={exportHref("workloads", selection)}
      empty={<Nothing url={url} group="workload" />}
    />
  );
}

function ControlTitle({ row }: { row: Control }) {
  return (
    <>
      <span className="kk-id">{row.definitions.map(shorten).join(", ")}</span> {row.title}
      <Fix remediation={row.remediation} />
    </>
  );
}

function ChangeTitle({ row }: { row: Control }) {
  const names = row.definitions.map(shorten);
  return (
    <>
      {row.remediation ? <Prose text={row.remediation} /> : row.title}
      <span className="kk-soft kk-clamp">
        {row.title} (<span className="kk-id">{names.slice(0, SHOWN_NAMES).join(", ")}</span>
        {names.length > SHOWN_NAMES && ` and ${names.length - SHOWN_NAMES} more`})
      </span>
    </>
  );
}

function SubjectTitle({ row }: { row: Subject }) {
  return (
    <>
      <Name text={nameSubject(row)} />
      <span className="kk-soft kk-clamp">
        {row.kind} in {nameSource({ name: row.sourceName, branch: row.branch })}
      </span>
    </>
  );
}

function Fix({ title, remediation }: { title?: string; remediation: string }) {
  return (
    <>
      {title}
      {remediation && (
        <span className="kk-soft kk-clamp">
          <Prose text={remediation} />
        </span>
      )}
    </>
  );
}

/** Return the identifier of a definition's key. */
function shorten(key: string): string {
  return key.split("/").at(-1) ?? key;
}
