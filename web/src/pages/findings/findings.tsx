/** All findings of workloads and other subjects, the most urgent first. */
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { client, load, type Schemas } from "../../api/client";
import { exportHref } from "../../components/export";
import { Reasons } from "../../components/finding";
import { Filters } from "../../components/filters";
import { FRESH, List, useCount, usePages, type Column, type Order } from "../../components/list";
import { useOwnerFilters } from "../../components/owners";
import { Page } from "../../components/page";
import { Severity } from "../../components/severity";
import { Name, Prose } from "../../components/text";
import { Due, Time } from "../../components/time";
import { nameSource, nameSubject } from "../../sources";
import { useUrl } from "../../url";
import { subjectQuery } from "../workload/query";
import { ControlGroups, SubjectGroups } from "./groups";
import { Nothing } from "./nothing";
import { FindingPanel } from "./panel";
import { clearOwn, listFilters, readSelection, type Group } from "./selection";

type Row = Schemas["FindingRow"];

const LENGTH = 100;
const GROUPS: [Group, string][] = [
  ["control", "Control"],
  ["change", "Change"],
  ["workload", "Workload"],
];
const OPEN_SINCE: Order[] = [
  { value: "newest", label: "newest first" },
  { value: "oldest", label: "oldest first", isAscending: true },
];
const COLUMNS: Column<Row>[] = [
  { title: "Finding", kind: "main", cell: (row) => <Title row={row} /> },
  { title: "Priority", orders: [{ value: "priority", label: "most urgent first" }], cell: (row) => <Severity level={row.priority} /> },
  { title: "Where", cell: (row) => <Where row={row} /> },
  { title: "Why it matters", cell: (row) => <Reasons exposure={row.exposure} /> },
  { title: "Open since", orders: OPEN_SINCE, cell: (row) => <OpenSince row={row} /> },
];

export default function Findings() {
  const url = useUrl();
  const group = (GROUPS.find(([name]) => name === url.get("group"))?.[0] ?? "") as Group | "";
  const setGroup = (next: string) => url.set({ group: next, open: "", ...(next === "control" || next === "change" ? { ...clearOwn(), order: "" } : {}) });
  const [count, setCount] = useState("");
  const owner = useOwnerFilters(url, true);
  const content = group === "" ? <Flat onCount={setCount} /> : group === "workload" ? <SubjectGroups onCount={setCount} /> : <ControlGroups key={group} by={group} onCount={setCount} />;
  const order = group ? "the most urgent first" : ORDERS[url.get("order") || "priority"];
  return (
    <Page title="Findings" summary={count && `${count}, ${order}.`}>
      <Filters url={url} filters={listFilters(url, group, owner)}>
        <label className="kk-filter">
          <span>Group by</span>
          <span className="pf-v6-c-form-control">
            <select value={group} onChange={(event) => setGroup(event.target.value)}>
              <option value="">Nothing</option>
              {GROUPS.map(([name, label]) => (
                <option key={name} value={name}>
                  {label}
                </option>
              ))}
            </select>
          </span>
        </label>
      </Filters>
      {content}
    </Page>
  );
}

const ORDERS: Record<string, string> = {
  priority: "the most urgent first",
  severity: "the most severe first",
  newest: "the newest first",
  oldest: "the oldest first",
};

/** Findings, without groups. */
function Flat({ onCount }: { onCount: (count: string) => void }) {
  const url = useUrl();
  const queries = useQueryClient();
  const order = url.get("order") || "priority";
  const selection = readSelection(url);
  const pages = usePages(["findings", order, selection], (cursor) =>
    load(client.GET("/api/v1/findings", { params: { query: { ...selection, order: order as Schemas["FindingOrder"], cursor, limit: LENGTH } } })),
  );
  useCount(pages, "finding", onCount);
  const open = url.get("open");
  return (
    <div className="kk-split">
      <div className="kk-split-main">
        <List
          caption="Findings"
          pages={pages}
          columns={COLUMNS}
          rowKey={keyOf}
          href={(row) => `/findings${url.with({ open: keyOf(row) })}`}
          prefetch={(row) => void queries.prefetchQuery({ ...subjectQuery(row.source, row.subject), staleTime: FRESH })}
          openKey={open}
          order={order}
          onOrder={(next) => url.set({ order: next })}
          csv={exportHref("findings", { ...selection, order })}
          empty={<Nothing url={url} group="" />}
        />
      </div>
      {open && <FindingPanel key={open} open={open} onClose={() => url.set({ open: "" })} />}
    </div>
  );
}

function keyOf(row: Row): string {
  return `${row.source}.${row.subject}.${row.fingerprint}`;
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
        {row.owner && (
          <>
            , <Name text={row.owner} />
          </>
        )}
      </span>
    </span>
  );
}

function OpenSince({ row }: { row: Row }) {
  return (
    <>
      <Time value={row.opened} />
      {row.due && (
        <span className="kk-line">
          <Due value={row.due} />
        </span>
      )}
      {row.unknownSince && (
        <span className="kk-notice">
          not seen since <Time value={row.unknownSince} />
        </span>
      )}
    </>
  );
}
