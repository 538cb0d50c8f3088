/** Clusters, repositories and registries: what reports, what does not, and how to add one. */
import { useState } from "react";
import { client, load, type Schemas } from "../../api/client";
import { AddSource } from "../../components/add-source";
import { exportHref } from "../../components/export";
import { FilteredToNothing, Filters, isFiltered, type Filter } from "../../components/filters";
import { describeRows, List, usePages, type Column, type Order } from "../../components/list";
import { Page } from "../../components/page";
import { format, SeverityCounts } from "../../components/severity";
import { Name } from "../../components/text";
import { kindOfSource, nameSource } from "../../sources";
import { useUrl } from "../../url";
import { isSilent, LastReport, SILENT_DAYS, type SourceRow } from "./report";

const LENGTH = 100;
const FILTERS: Filter[] = [
  { name: "text", label: "Name" },
  { name: "kind", label: "Kind", choices: ["cluster", "repository", "registry"].map((kind) => ({ value: kind, label: kind })) },
];
const LAST_REPORT: Order[] = [
  { value: "last_scan", label: "newest first" },
  { value: "silent", label: "oldest first", isAscending: true },
];
const COLUMNS: Column<SourceRow>[] = [
  { title: "Source", orders: [{ value: "name", label: "by kind", isAscending: true }], kind: "main", cell: (row) => <Name text={nameSource(row)} /> },
  { title: "Kind", cell: kindOfSource },
  { title: "Last report", orders: LAST_REPORT, cell: (row) => <LastReport row={row} /> },
  { title: "Findings", orders: [{ value: "critical", label: "most critical first" }], cell: (row) => <SeverityCounts counts={row.findings} /> },
  { title: "Images", kind: "number", cell: (row) => format(row.images) },
  { title: "Not seen lately", kind: "number", cell: (row) => format(row.unknown) },
];

export default function Sources() {
  const url = useUrl();
  const [isAdding, setAdding] = useState(false);
  const order = (url.get("order") || "name") as Schemas["SourceOrder"];
  const selection = { kind: url.get("kind"), text: url.get("text") };
  const pages = usePages(["sources", order, selection], (cursor) => load(client.GET("/api/v1/sources", { params: { query: { ...selection, order, cursor, limit: LENGTH } } })));
  const rows = pages.data?.pages.flatMap((page) => page.rows) ?? [];
  const silent = rows.filter(isSilent).length;
  return (
    <Page
      title="Sources"
      summary={pages.data && `${describeRows(pages, "source")}: clusters, repositories and registries; ${silent ? `${silent} sent nothing for ${SILENT_DAYS} days or more` : "all reported lately"}.`}
      actions={
        <div className="kk-buttons">
          <a className="pf-v6-c-button pf-m-secondary" href="/compare">
            Compare two
          </a>
          <button type="button" className="pf-v6-c-button pf-m-primary" onClick={() => setAdding(true)}>
            Add a source
          </button>
        </div>
      }
    >
      <Filters url={url} filters={FILTERS} />
      <List
        caption="Sources"
        pages={pages}
        columns={COLUMNS}
        rowKey={(row) => String(row.id)}
        href={(row) => `/sources/${row.id}`}
        order={order}
        onOrder={(next) => url.set({ order: next })}
        csv={exportHref("sources", { ...selection, order })}
        empty={isFiltered(url, FILTERS) ? <FilteredToNothing url={url} filters={FILTERS} /> : <AddSource />}
      />
      {isAdding && <AddSource onClose={() => setAdding(false)} />}
    </Page>
  );
}
